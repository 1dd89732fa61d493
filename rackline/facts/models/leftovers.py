"""Fields that nothing read: known to change no arithmetic, or a reason to refuse the file."""

from __future__ import annotations

import difflib
import re

from rackline.errors import BadInput
from rackline.facts.models.fields import Fields

# names that change neither parameters nor bytes nor multiply-adds: training, sampling, tokens, positions, scaling
_HARMLESS = (  # compiled only when something is left: most files leave nothing
    r"^_|dropout|_pdrop|_eps$|epsilon|norm_eps|init|_std$|_coef$|loss|jitter|noise|rope|rotary|theta|mscale|yarn"
    r"|_token|token_id|logit_scale|logits|softcap|scal(e|ing)|clip|alpha|beta|router_dtype|implementation|impl$|dtype"
    r"|norm_topk|scor|seq_aux|topk_method|ep_size|pretraining_tp|cache$|cache_impl|use_cache|(^|mamba_)chunk_size"
    r"|time_step_|prefix|beam|return|output_|finetuning|tokenizer|task|tie_encoder|decoder_start|forced|repetition|penalty|ngram"
    r"|sample|typical|top_p$|^top_k$|temperature|min_length|max_length|early|diversity|pruned|label|problem|torchscript"
    r"|version|commit|auto_map|gradient|checkpoint|unsloth|license|image|video|vision|audio|mm_|projector|quant"
    r"|^compression_config|summary|runner|fused|use_\w*kernels|mambapy|associative|residual_in|rescale|fp32|softmax"
    r"|interpolat|query_pre_attn|original_max|initial_context|max_window|bidirectional|deterministic|norm_type|hidden_act$|act_fn"
    r"|qk_layernorm_eps|position_embedding|parallel_embedding|sharding|swiglu|prefill|sink_size|z_loss|moe_token_drop"
    r"|source|kind$|name$|_id$|_index$|low_precision|learned_pos_emb$|attn_uses|doc|expert_overlap|deepstack"
    r"|deepspeed|embd_|transformers|is_decoder|is_encoder|bad_words|do_|suppress|log_|eos|bos|pad_|sep_")
# words of structure: an unread field with one of them may change the arithmetic
_STRUCTURAL = (
    r"head|kv|expert|moe|mamba|ssm|window|lora|rank|indexer|latent|state|layer|block|pattern|size|dim|group|conv|expand"
    r"|hidden|inter|vocab|shared|sparse|dense|period|interval|freq|step|bias|mlp|ffn|ffw|attn|attention|topk|mtp|nextn"
    r"|altup|laurel|linear|recurrent|rnn|ratio|tie_|tied|embed|norm|parallel|alibi|conv|gate|compress|memory|cross"
    r"|width|depth|local|global|sliding|gla|delta|retention|hyena|diffusion|looped|recur")


def check(fields: Fields, unused: tuple[str, ...], known: frozenset[str]) -> None:
    """BadInput for a field that looks structural and was not read."""
    passed = fields.used | set(unused)
    left = [name for name, value in fields.given.items() if name not in passed and _says_something(value)]
    for name in left:
        twin = difflib.get_close_matches(name, [n for n in known if n not in fields.given], n=1, cutoff=0.84)
        if twin and not re.search(_HARMLESS, name):
            raise BadInput(name, f"must be a field that {fields.family} has", fields.given[name],
                           f"did you mean {twin[0]}?")
    odd = [name for name in left if re.search(_STRUCTURAL, name.lower()) and not re.search(_HARMLESS, name.lower())]
    if odd:
        raise BadInput(odd[0], f"must be a field that is understood for {fields.family}: it may change the arithmetic",
                       fields.given[odd[0]])


def _says_something(value: object) -> bool:
    return value is not None and value is not False and value not in (0, "", [], {})
