"""The answers: the aiohttp application, the upstream contract, authentication and errors."""
