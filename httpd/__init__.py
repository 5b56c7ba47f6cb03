"""The API's HTTP server: aiohttp's, with a bound on whatever a client can do to a connection."""
