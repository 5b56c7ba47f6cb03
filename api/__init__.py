"""The HTTP API: routes, endpoints, authentication, rate limits and error responses."""
