from collections.abc import Iterator, Mapping, Sequence

class ValidationError(Exception):
    absolute_path: Sequence[str | int]
    absolute_schema_path: Sequence[str | int]
    instance: object
    json_path: str
    message: str
    validator: str

class Draft202012Validator:
    def __init__(self, schema: Mapping[str, object]) -> None: ...
    @classmethod
    def check_schema(cls, schema: Mapping[str, object]) -> None: ...
    def iter_errors(self, instance: object) -> Iterator[ValidationError]: ...
