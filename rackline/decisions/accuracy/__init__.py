"""How accurate the program is: measured rows predicted, judged, and the calibrated clock fitted to them."""
