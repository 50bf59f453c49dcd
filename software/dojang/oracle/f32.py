"""A GGUF file with every tensor as F32: llama.cpp quantises activations to INT8 when weights are block-quantised."""

from pathlib import Path

import gguf


def write_f32(source: str | Path, target: str | Path, vocabulary: bool = True) -> Path:
    """Copy metadata and dequantised tensors of a GGUF file; returns `target`.

    Without its ``vocabulary`` llama.cpp opens a model whose tokenizer has no merges.
    """
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name in ("general.architecture", "general.file_type"):
            continue
        if name.startswith("tokenizer.") and not vocabulary:
            continue
        kind = field.types[0]
        item = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(name, field.contents(), kind, sub_type=item)
    if not vocabulary:
        writer.add_tokenizer_model("none")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, gguf.dequantize(tensor.data, tensor.tensor_type))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return Path(target)
