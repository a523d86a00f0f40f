from collections.abc import Iterator, Mapping

class ValidationError(Exception):
    json_path: str
    message: str

class Draft202012Validator:
    def __init__(self, schema: Mapping[str, object]) -> None: ...
    @classmethod
    def check_schema(cls, schema: Mapping[str, object]) -> None: ...
    def iter_errors(self, instance: object) -> Iterator[ValidationError]: ...
