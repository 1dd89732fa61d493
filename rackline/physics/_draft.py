import numpy as np


def causal_pairs(new, past, limit):
    if limit is None: return new*past + new*(new+1.0)/2.0
    short = np.clip(limit - past, 0.0, new)
    return short*past + short*(short+1.0)/2.0 + (new-short)*limit
def tokens_read(new, past, window, top_k):
    if window is not None: return np.minimum(past, window)
    if top_k is None: return past
    p=np.maximum(past,1.0)
    return np.where(past<=top_k, past, p*(1.0-np.power(1.0-np.minimum(1.0,top_k/p), new)))
def experts_touched(E,k,T):
    return E*(1.0-np.power(1.0-k/E, T))
