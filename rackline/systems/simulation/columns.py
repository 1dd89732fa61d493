"""What stands where in the arrays of the compiled loop."""

NO_CAP = 2**60
# columns of Core.engine; CROSSING: −CLOCK modulo the page, where those that need a page now stand in Core.phase
(DECODING, CLOCK, FREE, HEAD, TAIL, SPARE, PARTIAL, QUEUE_HEAD, QUEUE_TAIL, QUEUED, BACK, JOINING, OUTSTANDING, PASSES,
 ROWS, EVERY, STEPS, PAGES, CROSSING, ENGINE_FIELDS) = range(20)
# columns of Core.slot
(REQUEST, BASE, LAST, PREVIOUS, NEXT, BUCKET_PREVIOUS, BUCKET_NEXT, GENERATED, PAST, KNOWN, NEW,
 SLOT_FIELDS) = range(12)
# entries of Core.limit; LEAST_LOADED: a truth, MOST: rows of the pass log
(SEQUENCES, TOKENS, WHOLE, BLOCK, RING, ENGINES, REPLICAS, LEAST_LOADED, MOST, LIMITS) = range(10)
ENDS, WAKES = range(2)
