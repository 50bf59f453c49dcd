"""What keeps wrong memory contents from going unnoticed: a layer between the chip and a memory that may err."""
