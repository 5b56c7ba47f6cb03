"""`chat-busier/weekly-data`: the contract, the handler and its cache."""
