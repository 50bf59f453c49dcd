"""What commands take for a model."""

__all__ = ["MODEL_HELP"]

MODEL_HELP = ("Path of a GGUF file, of a Hugging Face folder or of what dojang compress wrote; or smollm2 or glassllm, "
              "of the packages of those names.")
