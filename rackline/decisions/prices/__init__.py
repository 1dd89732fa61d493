"""What API prices give away: one reading at a time, all of them together, tiers of one's own, and buying instead."""
