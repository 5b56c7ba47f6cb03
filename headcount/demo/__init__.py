"""Everything on one machine: embedded servers, worker, API, and a client that watches them."""
