"""The endpoint `chat-busier/weekly-data`: its contract and its cached answers."""
