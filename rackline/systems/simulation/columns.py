"""What stands where in the arrays of the compiled loop."""

NO_CAP = 2**60
# columns of Core.engine; TAKEN: admitted with
# their prompt's cache. CROSSING: −CLOCK modulo the page, where those that need a page now stand in Core.phase
(DECODING, CLOCK, FREE, HEAD, TAIL, SPARE, PARTIAL, QUEUE_HEAD, QUEUE_TAIL, QUEUED, BACK, JOINING, OUTSTANDING, PASSES,
 ROWS, EVERY, STEPS, PAGES, CROSSING, TAKEN, KEPT,
 OLDEST, YOUNGEST, ENGINE_FIELDS) = range(24)
# columns of Core.slot
(REQUEST, BASE, LAST, PREVIOUS, NEXT, BUCKET_PREVIOUS, BUCKET_NEXT, GENERATED, PAST, KNOWN, NEW,
 HELD, HASHED, SLOT_FIELDS) = range(14)
# entries of Core.limit; ROUTE: 0 in turn, 1 least loaded, 2 by prefix. MOST: rows of the pass log. HANDED: 1 where
# prompts come with their cache. HASHES: different blocks, 0 where none are shared. RESERVED: 1 where all of a prompt
# must find pages. GROUPS: of engines that start together
(SEQUENCES, TOKENS, WHOLE, BLOCK, RING, ENGINES, REPLICAS, ROUTE, MOST, HANDED, HASHES, RESERVED, GROUPS,
 LIMITS) = range(14)
# columns of Core.block
REFERENCES, OLDER, YOUNGER = range(3)
ENDS, WAKES = range(2)
# entries of Core.run: next request that follows nobody, requests given out, followers in the heap
UPCOMING, SERVED, FOLLOWERS = range(3)
