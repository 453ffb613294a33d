// Tokens, embeddings and generated text of the C API.
#include "runtime/capi/Handles.h"

#include "runtime/api/Embed.h"
#include "runtime/api/Generate.h"

#include <cstring>

using namespace plexus;
using namespace plexus::capi;

namespace {

Status readPrompt(const plx_generate_options &o, GenerateRequest &r) {
  if (o.prompt.data)
    r.prompt = str(o.prompt);
  r.promptIds.assign(o.prompt_ids, o.prompt_ids + o.prompt_id_count);
  for (size_t i = 0; i < o.chat_count; ++i) {
    plx_chat_message m;
    PLX_RETURN_IF_ERROR(readStruct(o.chat[i], m, "plx_chat_message"));
    r.chat.push_back({str(m.role), str(m.content)});
  }
  return Status::ok();
}

Expected<GenerateRequest> readRequest(const plx_generate_options *from) {
  plx_generate_options o;
  PLX_RETURN_IF_ERROR(readStruct(from, o, "plx_generate_options"));
  GenerateRequest r;
  PLX_RETURN_IF_ERROR(readPrompt(o, r));
  r.strategy = str(o.strategy);
  for (size_t i = 0; i < o.option_count; ++i) {
    plx_option option;
    PLX_RETURN_IF_ERROR(readStruct(o.options[i], option, "plx_option"));
    r.options.emplace_back(str(option.key), str(option.value));
  }
  for (size_t i = 0; i < o.draft_count; ++i) {
    PLX_RETURN_IF_ERROR(need(o.drafts[i], "plx_generate_options.drafts"));
    r.drafts.push_back(o.drafts[i]->opened);
  }
  if (o.max_tokens != 0)
    r.maxTokens = o.max_tokens;
  r.seed = o.seed;
  r.eos.assign(o.eos, o.eos + o.eos_count);
  r.ignoreEos = o.ignore_eos != 0;
  for (size_t i = 0; i < o.stop_count; ++i)
    r.stopStrings.push_back(str(o.stops[i]));
  if (o.on_piece)
    r.onPiece = [call = o.on_piece, user = o.user](const GenerationPiece &piece) {
      return call(user, piece.ids.data(), piece.ids.size(), toStr(piece.text)) != 0;
    };
  return r;
}

const GenerationOutput *outputOf(const plx_generated *generated, size_t index) {
  return generated && index < generated->result.outputs.size() ? &generated->result.outputs[index]
                                                               : nullptr;
}

/// Ids as the bytes of an int32_t array.
plx_buffer *idBuffer(const std::vector<uint32_t> &ids) {
  return new plx_buffer{
      std::string(reinterpret_cast<const char *>(ids.data()), ids.size() * sizeof(int32_t))};
}

} // namespace

plx_status plx_model_tokenize(const plx_model *model, plx_str input, int32_t add_special,
                              plx_buffer **out, plx_error *error) {
  return guarded(error, [&]() -> Status {
    PLX_RETURN_IF_ERROR(need(model, "model"));
    PLX_RETURN_IF_ERROR(need(out, "out"));
    PLX_ASSIGN(const Tokenizer *tokenizer, model->opened->needTokenizer());
    EncodeOptions options;
    options.addSpecialTokens = add_special != 0;
    PLX_ASSIGN(Encoding encoding, tokenizer->encode(fromStr(input), options));
    *out = idBuffer(encoding.ids);
    return Status::ok();
  });
}

plx_status plx_model_decode(const plx_model *model, const int32_t *ids, size_t count,
                            int32_t skip_special, plx_buffer **out, plx_error *error) {
  return guarded(error, [&]() -> Status {
    PLX_RETURN_IF_ERROR(need(model, "model"));
    PLX_RETURN_IF_ERROR(need(out, "out"));
    PLX_ASSIGN(const Tokenizer *tokenizer, model->opened->needTokenizer());
    const std::vector<uint32_t> list(ids, ids + count);
    PLX_ASSIGN(std::string decoded, tokenizer->decode(list, skip_special != 0));
    *out = new plx_buffer{std::move(decoded)};
    return Status::ok();
  });
}

plx_status plx_model_embed(const plx_model *model, const plx_str *texts, size_t count,
                           plx_tensors **out, plx_error *error) {
  return guarded(error, [&]() -> Status {
    PLX_RETURN_IF_ERROR(need(model, "model"));
    PLX_RETURN_IF_ERROR(need(out, "out"));
    if (count == 0)
      return Status(Code::InvalidArgument, "no text to embed");
    std::vector<std::string> list;
    for (size_t i = 0; i < count; ++i)
      list.push_back(str(texts[i]));
    PLX_ASSIGN(auto rows, embed(*model->opened, list));
    const size_t width = rows.front().size();
    PLX_ASSIGN(Tensor tensor, Tensor::zeros(DType::F32, {static_cast<int64_t>(count),
                                                         static_cast<int64_t>(width)}));
    for (size_t i = 0; i < count; ++i)
      std::memcpy(tensor.as<float>() + i * width, rows[i].data(), width * sizeof(float));
    *out = new plx_tensors{{{"embeddings", std::move(tensor)}}};
    return Status::ok();
  });
}

plx_status plx_generate(const plx_model *model, const plx_generate_options *options,
                        plx_generated **out, plx_error *error) {
  return guarded(error, [&]() -> Status {
    PLX_RETURN_IF_ERROR(need(model, "model"));
    PLX_RETURN_IF_ERROR(need(out, "out"));
    PLX_ASSIGN(GenerateRequest request, readRequest(options));
    GenerationResult result = generate(*model->opened, request);
    PLX_RETURN_IF_ERROR(result.status);
    *out = new plx_generated{std::move(result)};
    return Status::ok();
  });
}

size_t plx_generated_count(const plx_generated *generated) {
  return generated ? generated->result.outputs.size() : 0;
}

plx_str plx_generated_text(const plx_generated *generated, size_t index) {
  const GenerationOutput *output = outputOf(generated, index);
  return output ? toStr(output->text) : plx_str{nullptr, 0};
}

const int32_t *plx_generated_ids(const plx_generated *generated, size_t index, size_t *count) {
  const GenerationOutput *output = outputOf(generated, index);
  if (count)
    *count = output ? output->ids.size() : 0;
  return output ? output->ids.data() : nullptr;
}

int32_t plx_generated_score(const plx_generated *generated, size_t index, double *score) {
  const GenerationOutput *output = outputOf(generated, index);
  if (!output || !output->hasScore)
    return 0;
  if (score)
    *score = output->score;
  return 1;
}

double plx_generated_number(const plx_generated *generated, plx_str name) {
  if (!generated)
    return -1;
  const GenerationTiming &t = generated->result.timing;
  const std::pair<std::string_view, double> numbers[] = {
      {"prompt_tokens", static_cast<double>(t.promptTokens)},
      {"steps", static_cast<double>(t.steps)},
      {"first_token_seconds", t.firstTokenSeconds},
      {"total_seconds", t.totalSeconds}};
  for (auto &[key, value] : numbers)
    if (key == fromStr(name))
      return value;
  for (auto &[key, value] : generated->result.counters)
    if (key == fromStr(name))
      return static_cast<double>(value);
  return -1;
}

void plx_generated_release(plx_generated *generated) { delete generated; }
