"""Why a chain does not hold: evidence of every link, and what follows from it."""
