print("a source")
