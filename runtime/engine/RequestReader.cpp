#include "runtime/engine/RequestReader.h"

#include "runtime/plugins/Structs.h"

#include <array>

namespace plexus {
namespace {

Status invalid(std::string_view field, int64_t found, std::string_view expected) {
  return error(Code::InvalidArgument)
         << "plx_forward." << field << " is " << found << ", expected " << expected;
}
Status reserved(std::string_view field) {
  return error(Code::Unsupported) << "plx_forward." << field << " is reserved in plugin ABI "
                                  << PLX_ABI_MAJOR << '.' << PLX_ABI_MINOR
                                  << ": leave it 0 (ask has_capability first)";
}

/// One row of a table from the ABI's numbers to the executor's; entries that are not supported are
/// known by name.
template <typename T>
struct Known {
  int32_t number;
  T value;
  const char *reservedName = nullptr;
};

constexpr std::array<Known<RowMode>, 4> modes = {{{PLX_MODE_APPEND, RowMode::Append},
                                                  {PLX_MODE_DRAFT, RowMode::Draft},
                                                  {PLX_MODE_SCRATCH, RowMode::Scratch},
                                                  {PLX_MODE_REPLACE, {}, "PLX_MODE_REPLACE"}}};
constexpr std::array<Known<Source>, 4> sources = {{{PLX_SOURCE_LOGITS, Source::Logits},
                                                   {PLX_SOURCE_HIDDEN, Source::Hidden},
                                                   {PLX_SOURCE_TAP, Source::Tap},
                                                   {PLX_SOURCE_HEAD_AT, {}, "PLX_SOURCE_HEAD_AT"}}};
constexpr std::array<Known<RowSet>, 3> selections = {{{PLX_SELECT_LAST, RowSet::Last},
                                                      {PLX_SELECT_ALL, RowSet::All},
                                                      {PLX_SELECT_LISTED, RowSet::Listed}}};
constexpr std::array<Known<Reduce>, 4> reductions = {
    {{PLX_REDUCE_FULL, Reduce::Full},
     {PLX_REDUCE_TOP_K, Reduce::TopK},
     {PLX_REDUCE_LOG_PROBS, Reduce::LogProbs},
     {PLX_REDUCE_STATISTICS, {}, "PLX_REDUCE_STATISTICS"}}};

/// `field` is a function that gives the field's name: it is put together only for an error.
template <typename T, size_t N, typename Field>
Status lookUp(const std::array<Known<T>, N> &table, int32_t number, Field field, T &out) {
  for (const Known<T> &known : table) {
    if (known.number != number)
      continue;
    if (known.reservedName)
      return reserved(field() + " = " + known.reservedName);
    out = known.value;
    return Status::ok();
  }
  return invalid(field(), number, "1 to " + std::to_string(N));
}

Status readWant(const plx_want *from, size_t index, Want &out) {
  const auto field = [index](const char *name) {
    return [index, name] { return "wants[" + std::to_string(index) + "]." + name; };
  };
  plx_want want;
  PLX_RETURN_IF_ERROR(readStruct(from, want, "plx_want"));
  PLX_RETURN_IF_ERROR(lookUp(sources, want.source, field("source"), out.source));
  PLX_RETURN_IF_ERROR(lookUp(selections, want.select, field("select"), out.rows));
  PLX_RETURN_IF_ERROR(lookUp(reductions, want.reduce, field("reduce"), out.reduce));
  if (want.place != 0)
    return reserved(field("place")());
  if ((want.row_count && !want.rows) || want.row_count > RequestLimits::rows)
    return invalid(field("row_count")(), static_cast<int64_t>(want.row_count), "the size of rows");
  if ((want.id_count && !want.ids) || want.id_count > RequestLimits::rows)
    return invalid(field("id_count")(), static_cast<int64_t>(want.id_count), "the size of ids");
  if (out.reduce == Reduce::TopK && want.k < 1)
    return invalid(field("k")(), want.k, "1 or more");
  out.layer = want.layer;
  out.name = fromStr(want.name);
  out.listed = {want.rows, want.row_count};
  out.k = want.k;
  out.ids = {want.ids, want.id_count};
  return Status::ok();
}

/// The data of the one input: token ids, or rows of hidden values.
Status readInput(const plx_input *from, ForwardRequest &out, size_t &rows) {
  plx_input input;
  plx_view view;
  PLX_RETURN_IF_ERROR(readStruct(from, input, "plx_forward.inputs[0]"));
  if (input.port.size != 0)
    return reserved("inputs[0].port = '" + std::string(fromStr(input.port)) + "'");
  if (input.kind == PLX_INPUT_REFS)
    return reserved("inputs[0].kind = PLX_INPUT_REFS");
  const bool hidden = input.kind == PLX_INPUT_ROWS;
  if (!hidden && input.kind != PLX_INPUT_TOKENS)
    return invalid("inputs[0].kind", input.kind, "1 (tokens) or 2 (rows)");
  PLX_RETURN_IF_ERROR(readStruct(input.data, view, "plx_forward.inputs[0].data"));
  const int32_t dtype = hidden ? PLX_DTYPE_F32 : PLX_DTYPE_I32;
  const int32_t ndim = hidden ? 2 : 1;
  if (view.dtype != dtype)
    return invalid("inputs[0].data.dtype", view.dtype, std::to_string(dtype));
  if (view.device != PLX_DEVICE_CPU)
    return invalid("inputs[0].data.device", view.device, "1 (CPU)");
  if (view.ndim != ndim || !view.shape)
    return invalid("inputs[0].data.ndim", view.ndim, std::to_string(ndim) + " and a shape");
  const int64_t count = view.shape[0], width = hidden ? view.shape[1] : 1;
  if (count < 1 || count > static_cast<int64_t>(RequestLimits::rows))
    return invalid("inputs[0].data.shape[0]", count, "1 to " + std::to_string(RequestLimits::rows));
  if (width < 1 || width > (1 << 20))
    return invalid("inputs[0].data.shape[1]", width, "the hidden size");
  if (view.strides && (view.strides[ndim - 1] != 1 || (hidden && view.strides[0] != width)))
    return error(Code::Unsupported)
           << "plx_forward.inputs[0].data.strides: only dense rows are taken";
  if (!view.data)
    return error(Code::InvalidArgument) << "plx_forward.inputs[0].data.data is NULL";
  rows = static_cast<size_t>(count);
  if (hidden)
    out.hidden = {static_cast<const float *>(view.data), static_cast<size_t>(count * width)};
  else
    out.ids = {static_cast<const int32_t *>(view.data), rows};
  return Status::ok();
}

Status readArrays(const plx_forward &forward, size_t rows, ForwardRequest &out) {
  out.bidirectional = forward.flags & PLX_FORWARD_BIDIRECTIONAL;
  if (forward.flags & ~(PLX_FORWARD_NO_CHUNK | PLX_FORWARD_BIDIRECTIONAL))
    return reserved("flags = " + std::to_string(forward.flags));
  if (forward.visibility)
    return reserved("visibility");
  if (forward.option_count)
    return reserved("options");
  if (forward.skip_count > 65536)
    return invalid("skip_count", static_cast<int64_t>(forward.skip_count), "the number of layers");
  out.flags = forward.flags & PLX_FORWARD_NO_CHUNK ? static_cast<uint32_t>(NoChunk) : 0;
  const auto perRow = [&](const int32_t *data) {
    return data ? std::span<const int32_t>(data, rows) : std::span<const int32_t>();
  };
  out.parents = perRow(forward.parents);
  out.positions = perRow(forward.positions);
  out.reenter = perRow(forward.reenter);
  if (forward.skip)
    out.skip = {forward.skip, forward.skip_count};
  return Status::ok();
}

} // namespace

Status readForward(const plx_forward *from, ReadRequest &out) {
  plx_forward forward;
  PLX_RETURN_IF_ERROR(readStruct(from, forward, "plx_forward"));
  out.request = {};
  out.sequence = forward.sequence;
  PLX_RETURN_IF_ERROR(
      lookUp(modes, forward.mode, [] { return std::string("mode"); }, out.request.mode));
  if (forward.input_count != 1 || !forward.inputs)
    return forward.input_count > 1
               ? reserved("inputs[1]: more than one input")
               : invalid("input_count", static_cast<int64_t>(forward.input_count), "1");
  size_t rows = 0;
  PLX_RETURN_IF_ERROR(readInput(forward.inputs[0], out.request, rows));
  PLX_RETURN_IF_ERROR(readArrays(forward, rows, out.request));
  out.request.layerBegin = forward.layer_begin;
  out.request.layerEnd = forward.layer_end;
  if (forward.want_count > RequestLimits::wants || (forward.want_count && !forward.wants))
    return invalid("want_count", static_cast<int64_t>(forward.want_count),
                   "at most " + std::to_string(RequestLimits::wants) + " and an array");
  out.wants.assign(forward.want_count, Want());
  for (size_t i = 0; i < forward.want_count; ++i)
    PLX_RETURN_IF_ERROR(readWant(forward.wants[i], i, out.wants[i]));
  out.request.wants = out.wants;
  return Status::ok();
}

} // namespace plexus
