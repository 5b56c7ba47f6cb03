"""`headcount run`: embedded servers, worker, API, live replay and a demo client in one process."""
