"""Tables of the page about tokenizers."""

from .pre_tokenizers import FAMILIES, PRE_TOKENIZERS
from .special import ENDS, MARKUP, NO_ENDS, SHOWN
from .tokenizer import MODELS

__all__ = ["document"]


def document() -> str:
    """Kinds of vocabularies, pre-tokenizers and well-known tokens, as Markdown."""
    kinds = [f"| `{name}` | {meaning} |" for name, meaning in MODELS.items()]
    families = [f"| {_code(family.names)} | {len(family.splits)} | {'yes' if family.whole_words else ''} "
                f"| {'yes' if family.begin else ''} |" for family in FAMILIES if not family.spaced]
    spaced = [family for family in FAMILIES if family.spaced]
    exceptions = [f"`{name}` ends nothing beside {' or '.join(_code(sorted(one), ' and ') for one in companions)}."
                  for name, companions in NO_ENDS]
    return "\n".join([
        "| `tokenizer.ggml.model` | kind |", "|---|---|", *kinds, "",
        f"{len(PRE_TOKENIZERS)} names of pre-tokenizers of `gpt2`:", "",
        "| `tokenizer.ggml.pre` | expressions | words that are tokens are not merged | begin token |",
        "|---|--:|---|---|", *families, "",
        f"With {_code(name for family in spaced for name in family.names)} the vocabulary is of the kind of `gemma4`; "
        f"a begin token have {_code(name for family in spaced if family.begin for name in family.names)}.",
        "", f"Tokens that end generation wherever they are in a vocabulary: {_code(ENDS)}.", *exceptions, "",
        f"Other tokens that are control tokens even if the file types them normal: {_code(MARKUP)}.", "",
        f"Markup that is shown in answers: {_code(SHOWN)}."])


def _code(names, joint: str = ", ") -> str:
    return joint.join(f"`{name}`" for name in names)
