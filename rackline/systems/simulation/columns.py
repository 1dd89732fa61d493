"""What stands where in the arrays of the compiled loop."""

NO_CAP = 2**60
# columns of Core.engine; TAKEN: admitted with
# their prompt's cache. CROSSING: −CLOCK modulo the page, where those that need a page now stand in Core.phase
(DECODING, CLOCK, FREE, HEAD, TAIL, SPARE, PARTIAL, QUEUE_HEAD, QUEUE_TAIL, QUEUED, BACK, JOINING, OUTSTANDING, PASSES,
 ROWS, EVERY, STEPS, PAGES, CROSSING, TAKEN, ENGINE_FIELDS) = range(21)
# columns of Core.slot
(REQUEST, BASE, LAST, PREVIOUS, NEXT, BUCKET_PREVIOUS, BUCKET_NEXT, GENERATED, PAST, KNOWN, NEW,
 SLOT_FIELDS) = range(12)
# entries of Core.limit; LEAST_LOADED: a truth. MOST: rows of the pass log. HANDED: 1 where prompts
# come with their cache
(SEQUENCES, TOKENS, WHOLE, BLOCK, RING, ENGINES, REPLICAS, LEAST_LOADED, MOST, HANDED, LIMITS) = range(11)
ENDS, WAKES = range(2)
# entries of Core.run: next request that follows nobody, requests given out, followers in the heap
UPCOMING, SERVED, FOLLOWERS = range(3)
