"""Host bridge: the framed byte link, memory access, run control and mailbox. `protocol` holds the shared facts."""
