"""What an operator can look at: values and the functions that read them, for API and pages.

The values are msgspec structs, which the API sends as JSON and documents in OpenAPI. A function
takes the `Admin`; several queries of one request share the request's deadline.
"""
