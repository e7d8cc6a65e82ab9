print("normgen")
