"""Base class and field types for all parts of the config schema."""

import re
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError


def _path(text: str) -> str:
    # Snakemake reads braces as wildcards, and lists files one per line.
    if not text.strip() or re.search(r"[{}\x00-\x1f\x7f]", text):
        raise ValueError("name a file whose path has no braces, line breaks or control characters")
    return text


def _revision(text: str) -> str:
    # The revision becomes part of a path in the hub's cache.
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)*", text, re.ASCII):
        raise ValueError("give a commit hash, a tag or a branch")
    return text


# Characters that file names can contain on every system. mergekit splits paths at '+' and '@'.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$")]
Share = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1, le=10**9)]
Size = Annotated[int, Field(ge=1, le=16384)]
FilePath = Annotated[str, AfterValidator(_path)]
Revision = Annotated[str, AfterValidator(_revision)]


_TRUTH = PydanticCustomError("truth", "give no true or false here; put the word in quotes where text is meant")


def _no_truth(value: Any) -> Any:
    if _holds_truth(value):
        raise _TRUTH
    return value


# A number inside a dictionary of a section. Sections themselves check their own keys only.
Number = Annotated[float, BeforeValidator(_no_truth)]


def wrong_key(section: type[BaseModel], key: str, value: Any, hint: str) -> ValidationError:
    """The error of a validator that compares several keys of a section: it names the key that is to be changed.

    Args:
        section: the section.
        key, value: the key, and what it is set to.
        hint: what to do.
    """
    return _error_at(section, key, value, PydanticCustomError("wrong_key", "{hint}", {"hint": hint}))


def _error_at(section: type[BaseModel], key: str, value: Any, what: PydanticCustomError) -> ValidationError:
    error: InitErrorDetails = {"type": what, "loc": (key,), "input": value}
    return ValidationError.from_exception_data(section.__name__, [error])


class Section(BaseModel):
    """A part of the config. Unknown keys are errors, and values cannot be changed after loading.

    A renamed key can still be given under its old name. If the validation context is a list, every renamed key is
    appended to it: the content of the section (the same object), the old name and the new name.
    """

    RENAMED: ClassVar[dict[str, str]] = {}  # old key: new key

    model_config = ConfigDict(
        extra="forbid", frozen=True, protected_namespaces=(), validate_by_name=True, allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _read_old_names(cls, content: Any, info: ValidationInfo) -> Any:
        old = [name for name in cls.RENAMED if isinstance(content, dict) and name in content]
        for name in old:
            new = cls.RENAMED[name]
            if new in content:
                both = PydanticCustomError("renamed", "the key `{new}` is given too", {"new": new})
                raise _error_at(cls, name, content[name], both)
            if isinstance(info.context, list):
                info.context.append((content, name, new))
        return {cls.RENAMED.get(key, key): value for key, value in content.items()} if old else content

    @model_validator(mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, content: Any) -> Any:
        # Pydantic reads true as 1, and YAML reads `yes` and `on` as true.
        fields = {field.alias or name: field for name, field in cls.model_fields.items()}
        wrong: list[InitErrorDetails] = [
            {"type": _TRUTH, "loc": (key,), "input": value}
            for key, value in (content.items() if isinstance(content, dict) else ())
            if key in fields and fields[key].annotation is not bool and _holds_truth(value)
        ]
        if wrong:
            raise ValidationError.from_exception_data(cls.__name__, wrong)
        return content


def _holds_truth(value: Any) -> bool:
    return any(isinstance(item, bool) for item in (value if isinstance(value, list) else [value]))
