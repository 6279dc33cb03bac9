"""Front ends: user text in, `ir` out. They know neither LLVM nor each other."""
