"""What an independent engine (llama.cpp) answers, and how far the golden model is from it."""
