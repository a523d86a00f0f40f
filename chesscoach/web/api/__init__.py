"""The admin API: `/api/v1/…`, JSON, described by `/api/v1/openapi.json`.

Each module has the `ENDPOINTS` of one noun; `endpoint` turns them into routes and `openapi` into
the document, so the two cannot differ. Handlers call `views` and `operations`, as the pages do.
"""
