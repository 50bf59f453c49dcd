"""Tokenizer data of a file."""

from ..checkpoint import TokenizerData
from ..errors import CheckpointError
from .file import GGUFFile

__all__ = ["tokenizer_data"]

END_TOKENS = ("<|im_end|>", "<|eot_id|>")
"""Tokens that end a turn whatever the metadata says."""


def tokenizer_data(file: GGUFFile) -> TokenizerData:
    """What the keys ``tokenizer.*`` say."""
    try:
        tokens = file.field("tokenizer.ggml.tokens", [])
        eos = file.field("tokenizer.ggml.eos_token_id")
        ends = {eos, file.field("tokenizer.ggml.eot_token_id")}
        ends |= {index for index, token in enumerate(tokens) if token in END_TOKENS}
        return TokenizerData(
            model=file.field("tokenizer.ggml.model", "none"), pre=file.field("tokenizer.ggml.pre", "default"),
            tokens=tokens, types=file.field("tokenizer.ggml.token_type", [1] * len(tokens)),
            merges=file.field("tokenizer.ggml.merges", []), bos=file.field("tokenizer.ggml.bos_token_id"), eos=eos,
            add_bos=bool(file.field("tokenizer.ggml.add_bos_token", False)), eos_ids=frozenset(ends - {None}),
            chat_template=file.field("tokenizer.chat_template"))
    except Exception as error:  # bad UTF-8 and whatever else a damaged byte leads to
        raise CheckpointError(f"{file.path}: the tokenizer is corrupt: {error}") from None
