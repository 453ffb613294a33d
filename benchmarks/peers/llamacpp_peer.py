"""llama.cpp through its C interface (llama_cpp), from GGUF files."""
import ctypes
import os

import gguf
import llama_cpp as api
import numpy as np

from . import Built, Refused, clock, ids
from .safetensors import Checkpoint

WEIGHTS = {"causal": {"f32": "F32", "bf16": "BF16", "q8": "Q8_0", "q4": "Q4_0, head Q6_K",
                      "file": "as the file has them"}}

# The tensors of checkpoints by their names in GGUF.
LLAMA = {"attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
         "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
         "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
         "ffn_down": "mlp.down_proj"}
MAMBA = {"attn_norm.weight": "norm.weight", "ssm_in.weight": "mixer.in_proj.weight",
         "ssm_conv1d.weight": "mixer.conv1d.weight", "ssm_conv1d.bias": "mixer.conv1d.bias",
         "ssm_x.weight": "mixer.x_proj.weight", "ssm_dt.weight": "mixer.dt_proj.weight",
         "ssm_dt.bias": "mixer.dt_proj.bias", "ssm_a": "mixer.A_log", "ssm_d": "mixer.D",
         "ssm_out.weight": "mixer.out_proj.weight"}


def version():
    return "llama-cpp-python " + api.__version__


def describe_llama(c, out):
    """Metadata; {name in GGUF: tensor} of weights. Rows of q and k are left in their order, which
    llama.cpp's rope would have otherwise: the values are random."""
    out.add_context_length(c["max_position_embeddings"])
    out.add_embedding_length(c["hidden_size"])
    out.add_block_count(c["num_hidden_layers"])
    out.add_feed_forward_length(c["intermediate_size"])
    out.add_head_count(c["num_attention_heads"])
    out.add_head_count_kv(c["num_key_value_heads"])
    out.add_layer_norm_rms_eps(c["rms_norm_eps"])
    out.add_rope_dimension_count(c["hidden_size"] // c["num_attention_heads"])
    out.add_rope_freq_base(c["rope_parameters"]["rope_theta"])
    names = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
    for l in range(c["num_hidden_layers"]):
        for ours, theirs in LLAMA.items():
            names[f"blk.{l}.{ours}"] = f"model.layers.{l}.{theirs}"
    return {ours + ".weight": theirs + ".weight" for ours, theirs in names.items()}


def describe_mamba(c, out):
    out.add_context_length(1 << 20)
    out.add_embedding_length(c["hidden_size"])
    out.add_block_count(c["num_hidden_layers"])
    out.add_feed_forward_length(0)
    out.add_head_count(0)
    out.add_ssm_conv_kernel(c["conv_kernel"])
    out.add_ssm_inner_size(c["intermediate_size"])
    out.add_ssm_state_size(c["state_size"])
    out.add_ssm_time_step_rank(c["time_step_rank"])
    out.add_layer_norm_rms_eps(c["layer_norm_epsilon"])
    names = {"token_embd.weight": "embeddings.weight", "output_norm.weight": "norm_f.weight"}
    for l in range(c["num_hidden_layers"]):
        for ours, theirs in MAMBA.items():
            names[f"blk.{l}.{ours}"] = f"layers.{l}.{theirs}"
    return {ours: "backbone." + theirs for ours, theirs in names.items()}


ARCHITECTURES = {"llama": describe_llama, "mamba": describe_mamba}
CHANGES = {"ssm_a": lambda a_log: -np.exp(a_log), "ssm_conv1d.weight": lambda w: w[:, 0]}


def write_gguf(source, path, kind):
    """The checkpoint as GGUF without a vocabulary; matrices of products as `kind`, the rest as F32."""
    model = Checkpoint(source)
    c = model.config
    out = gguf.GGUFWriter(path, c["model_type"])
    names = ARCHITECTURES[c["model_type"]](c, out)
    out.add_vocab_size(c["vocab_size"])
    out.add_tokenizer_model("no_vocab")
    for ours, theirs in names.items():
        change = CHANGES.get(ours.split(".", 2)[-1])
        values = model.tensor(theirs)
        form = kind if values.ndim == 2 and not change else gguf.GGMLQuantizationType.F32
        values = np.ascontiguousarray(change(values) if change else values)
        out.add_tensor(ours, gguf.quants.quantize(values, form), raw_dtype=form)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def built(path, kind, stored):
    """The embedding is read whole only where no head stands beside it."""
    tensors = {t.name: t for t in gguf.GGUFReader(path).tensors}
    read = sum(int(t.n_bytes) for name, t in tensors.items()
               if name != "token_embd.weight" or "output.weight" not in tensors)
    products = sum(int(np.prod(t.shape)) for name, t in tensors.items()
                   if len(t.shape) == 2 and name not in ("token_embd.weight", "output.weight"))
    return Built(path, kind, stored, read, int(tensors["token_embd.weight"].shape[1]), products)


def convert(source, kind, weights, folder):
    stored = WEIGHTS[kind][weights]
    if weights == "file":
        return built(source, kind, stored)
    plain = os.path.join(folder, "llamacpp-f32.gguf" if weights == "f32" else "llamacpp-bf16.gguf")
    if not os.path.exists(plain):
        types = gguf.GGMLQuantizationType
        write_gguf(source, plain + ".new", types.F32 if weights == "f32" else types.BF16)
        os.rename(plain + ".new", plain)
    if weights in ("f32", "bf16"):
        return built(plain, kind, stored)
    path = os.path.join(folder, f"llamacpp-{weights}.gguf")
    if not os.path.exists(path):
        how = api.llama_model_quantize_default_params()
        how.ftype = {"q8": api.LLAMA_FTYPE_MOSTLY_Q8_0, "q4": api.LLAMA_FTYPE_MOSTLY_Q4_0}[weights]
        if api.llama_model_quantize(plain.encode(), (path + ".new").encode(), ctypes.byref(how)):
            raise Refused("llama_model_quantize failed")
        os.rename(path + ".new", path)
    return built(path, kind, stored)


class Causal:
    def __init__(self, built, threads, context, sequences):
        api.llama_backend_init()
        self.model = api.llama_model_load_from_file(built.path.encode(),
                                                    api.llama_model_default_params())
        if not self.model:
            raise Refused("cannot load " + os.path.basename(built.path))
        p = api.llama_context_default_params()
        p.n_ctx, p.n_batch, p.n_ubatch = context * sequences, 512, 512
        p.n_seq_max, p.kv_unified = sequences, True
        p.n_threads = p.n_threads_batch = threads
        self.context = api.llama_init_from_model(self.model, p)
        self.vocabulary = built.vocabulary

    def feed(self, tokens):
        for at in range(0, len(tokens), 512):
            part = tokens[at : at + 512]
            array = (api.llama_token * len(part))(*part)
            if api.llama_decode(self.context, api.llama_batch_get_one(array, len(part))):
                raise Refused("llama_decode failed")

    def next(self):
        logits = api.llama_get_logits_ith(self.context, -1)
        return int(np.ctypeslib.as_array(logits, (self.vocabulary,)).argmax())

    def clear(self):
        api.llama_memory_clear(api.llama_get_memory(self.context), True)

    def prefill(self, n):
        self.clear()
        begin = clock()
        self.feed(ids(n, self.vocabulary))
        self.next()
        return clock() - begin

    def decode(self, context, n):
        self.prefill(context)
        token = self.next()
        begin = clock()
        for _ in range(n):
            self.feed([token])
            token = self.next()
        return clock() - begin

    def step(self, tokens, at):
        """The next token of each sequence, of which each has `at` tokens behind it."""
        batch = api.llama_batch_init(len(tokens), 0, 1)
        batch.n_tokens = len(tokens)
        for s, token in enumerate(tokens):
            batch.token[s], batch.pos[s], batch.logits[s] = token, at, 1
            batch.n_seq_id[s], batch.seq_id[s][0] = 1, s
        failed = api.llama_decode(self.context, batch)
        api.llama_batch_free(batch)
        if failed:
            raise Refused("llama_decode failed")
        rows = (api.llama_get_logits_ith(self.context, s) for s in range(len(tokens)))
        return [int(np.ctypeslib.as_array(r, (self.vocabulary,)).argmax()) for r in rows]

    def together(self, sequences, context, n):
        """The prompt's states are shared, what follows is each sequence's own."""
        self.prefill(context)
        tokens = [self.next()] * sequences
        for s in range(1, sequences):
            api.llama_memory_seq_cp(api.llama_get_memory(self.context), 0, s, -1, -1)
        begin = clock()
        for at in range(context, context + n):
            tokens = self.step(tokens, at)
        return clock() - begin


def load(built, threads, context, sequences):
    return Causal(built, threads, context, sequences)
