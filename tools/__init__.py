"""What is run by hand or by ``make`` to keep the repository in order."""
