"""Pre-tokenizers of byte-level vocabularies: where a text is split before any merge, by ``tokenizer.ggml.pre``.

The names are llama.cpp's. Where its regular expressions only approximate those that a model was trained with (capitals
beyond ASCII of tekken and gpt-4o), these are the model's own.
"""

from dataclasses import dataclass

__all__ = ["PRE_TOKENIZERS", "PreTokenizer"]

CONTRACTION = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
LINES = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
WORD = CONTRACTION + r"|[^\r\n\p{L}\p{N}]?\p{L}+"
SIGNS = r"| ?[^\s\p{L}\p{N}]+[\r\n]*"
LLAMA3 = WORD + r"|\p{N}{1,3}" + SIGNS + LINES
QWEN2 = WORD + r"|\p{N}" + SIGNS + LINES
PUNCTUATION = r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]"""
DEEPSEEK3 = (PUNCTUATION + r"[A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+")
KANA = "[一-龥぀-ゟ゠-ヿ]+"
UPPER, LOWER = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}", r"\p{Ll}\p{Lm}\p{Lo}\p{M}"
GROUPS = r"(?<!\p{N})\p{N}{1,2}(?=(?:\p{N}{3})+(?!\p{N}))|\p{N}{3}"  # looks ahead but once a number
NO_HAN = r"&&[^\p{Han}]"
SENTENCES = r" ?[^(\s|.,!?…。，、।۔،)]+"
NEWLINES = r"[^\n]+|\n+"
DEEPSEEK_LETTERS = (
    "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώ"
    "ᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏"
    "𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃")


def _cased(upper: str, lower: str, suffix: str, digits: str) -> str:
    """Words split before a capital that follows a small letter."""
    return (rf"[^\r\n\p{{L}}\p{{N}}]?[{upper}]*[{lower}]+{suffix}|[^\r\n\p{{L}}\p{{N}}]?[{upper}]+[{lower}]*{suffix}"
            rf"|{digits}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*" + LINES)


GPT4O = _cased(UPPER, LOWER, CONTRACTION + "?", r"\p{N}{1,3}")


@dataclass(frozen=True)
class PreTokenizer:
    """A way to split.

    Parameters
    ----------
    names: values of ``tokenizer.ggml.pre`` that mean it.
    splits: regular expressions, applied one after the other to every piece; matches, and what is between, are pieces.
    whole_words: a piece that is a token is that token, whatever the merges would give.
    begin: prompts start with the begin token unless the file says otherwise.
    spaced: the vocabulary holds plain characters with ``▁`` for spaces, and bytes as ``<0xXX>``.
    """

    names: tuple[str, ...]
    splits: tuple[str, ...]
    whole_words: bool = False
    begin: bool = False
    spaced: bool = False


FAMILIES = (
    PreTokenizer(("default",), (r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]")),
    PreTokenizer(("gpt-2", "gpt2", "phi-2", "jina-es", "jina-de", "jina-v1-en", "jina-v2-es", "jina-v2-de",
                  "jina-v2-code", "roberta-bpe", "modern-bert", "gigachat", "a.x-4.0", "mellum", "exaone4", "mpt",
                  "olmo", "jais", "trillion", "granite-docling"), (GPT2,)),
    PreTokenizer(("llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2",
                  "jina-v5-nano"),
                 (LLAMA3,), whole_words=True, begin=True),
    PreTokenizer(("smaug-bpe", "dbrx", "chatglm-bpe"), (LLAMA3,)),
    PreTokenizer(("glm4", "glm5"), (LLAMA3,), whole_words=True),
    PreTokenizer(("qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez", "stablelm2", "hunyuan", "solar-open",
                  "grok-2"), (QWEN2,)),
    PreTokenizer(("qwen35",), (CONTRACTION + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*"
                               + LINES,)),
    PreTokenizer(("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2"),
                 (r"\p{N}", GPT2)),
    PreTokenizer(("falcon",), (r"[\p{P}\$\+<=>\^~\|`]+", GPT2, "[0-9][0-9][0-9]")),
    PreTokenizer(("deepseek-llm",), (r"[\r\n]", rf"\s?[{DEEPSEEK_LETTERS}]+", r"\s?[!-/:-~！-／：-～‘-‟　-。]+",
                                     r"\s+$", "[一-龥ࠀ-一가-퟿]+", r"\p{N}+")),
    PreTokenizer(("deepseek-coder",), (r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+", r"\p{N}")),
    PreTokenizer(("deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"),
                 (r"\p{N}{1,3}", KANA, DEEPSEEK3 + r"[\r\n]*" + LINES)),
    PreTokenizer(("spark2_5",), (r"\p{N}{1,3}", KANA, DEEPSEEK3 + r"|[\r\n]|\s+(?!\S)|\s+", r"\p{N}")),
    PreTokenizer(("youtu",), ("[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+",
                              _cased(UPPER, LOWER, CONTRACTION + "?", r"\p{N}")), whole_words=True),
    PreTokenizer(("tekken",), (_cased(UPPER, LOWER, "", r"\p{N}"),), whole_words=True, begin=True),
    PreTokenizer(("gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"), (GPT4O,)),
    PreTokenizer(("granite-embed-multi-97m",), (GPT4O,), whole_words=True),
    PreTokenizer(("tiny_aya", "cohere2moe"), (GROUPS + r"|\p{N}{1,2}", GPT4O)),
    PreTokenizer(("kimi-k2",), (r"\p{Han}+|" + _cased(UPPER + NO_HAN, LOWER + NO_HAN, CONTRACTION + "?", r"\p{N}{1,3}")
                                .replace(r"[\r\n/]*", r"[\r\n]*"),)),
    PreTokenizer(("poro-chat", "bloom", "gpt3-finnish"), (SENTENCES,)),
    PreTokenizer(("viking",), (SENTENCES, r"\p{N}")),
    PreTokenizer(("jais-2",), (WORD + r"|\p{N}{1,3}" + SIGNS + r"|\s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)"
                               r"|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s",)),
    PreTokenizer(("chameleon",), ("<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", r"([\t\n]|    |  )",
                                  r"\p{N}", r"[\p{P}!-/:-@\[-`{-~]", GPT2), begin=True),
    PreTokenizer(("superbpe",), (r"\p{N}+", GROUPS.replace("\\p{N}", "\\d"))),
    PreTokenizer(("bailingmoe", "bailingmoe2", "llada-moe"),
                 (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}" + SIGNS + r"|\s*[\r\n]|\s+(?!\S)|\s+",)),
    PreTokenizer(("seed-coder",), (WORD + r"|\p{N}| ?[^\s\p{L}\p{N}\r\n]+" + LINES,)),
    PreTokenizer(("ufakzeka",), (r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}" + SIGNS + LINES,)),
    PreTokenizer(("afmoe",), (GROUPS + r"|\p{N}{1,2}", "[一-鿿㐀-䶿豈-﫿぀-ゟ゠-ヿ･-ﾟ⼀-⿟เ-๿຀-໿ក-៿က-႟ꩠ-ꩿꧠ-꧿가-힯ᄀ-ᇿ]+",
                              DEEPSEEK3 + r"[\r\n]*" + LINES)),
    PreTokenizer(("laguna",), (NEWLINES, QWEN2)),
    PreTokenizer(("exaone-moe",), (CONTRACTION + r"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}"
                                   r"| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+",)),
    PreTokenizer(("minicpm5",), (r"\p{N}{1,3}", WORD + r"|\p{N}+" + SIGNS + LINES), whole_words=True),
    PreTokenizer(("gemma4", "granite-embed-multi-311m"), (NEWLINES,), begin=True, spaced=True),
    PreTokenizer(("sarvam-moe",), (NEWLINES,), spaced=True),
)

PRE_TOKENIZERS = {name: family for family in FAMILIES for name in family.names}
"""By name."""
