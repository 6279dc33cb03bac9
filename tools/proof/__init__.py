"""Long runs that show what a short test cannot: nothing lost unexplained, nothing left behind, no growth."""
