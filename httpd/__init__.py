"""A hardened HTTP server: aiohttp's, with limits on connections, requests and clients."""
