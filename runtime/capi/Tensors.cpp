// Tensors in and out of the C API, and runs on them.
#include "runtime/capi/Handles.h"

#include "runtime/exec/EngineThread.h"
#include "runtime/tensor/DLPack.h"

#include <algorithm>
#include <iterator>

using namespace plexus;
using namespace plexus::capi;

namespace {

/// The ABI's types are fewer than the library's.
constexpr std::pair<plx_dtype, DType> kTypes[] = {
    {PLX_DTYPE_F32, DType::F32},   {PLX_DTYPE_F16, DType::F16}, {PLX_DTYPE_BF16, DType::BF16},
    {PLX_DTYPE_F64, DType::F64},   {PLX_DTYPE_I8, DType::I8},   {PLX_DTYPE_U8, DType::U8},
    {PLX_DTYPE_I16, DType::I16},   {PLX_DTYPE_I32, DType::I32}, {PLX_DTYPE_I64, DType::I64},
    {PLX_DTYPE_BOOL, DType::Bool},
};

/// A tensor over the caller's bytes; strides are made dense by who reads it.
Expected<Tensor> readView(const plx_view *from, const std::string &name) {
  plx_view v;
  PLX_RETURN_IF_ERROR(readStruct(from, v, "plx_view").at(name));
  constexpr int32_t kMostDims = 8;
  if (v.ndim < 0 || v.ndim > kMostDims || (v.ndim > 0 && !v.shape))
    return error(Code::InvalidArgument) << name << ": a view of " << v.ndim << " dimensions";
  if (v.device != PLX_DEVICE_CPU)
    return error(Code::Unsupported) << name << ": lies on device " << v.device << ", expected CPU";
  const auto *type = std::find_if(std::begin(kTypes), std::end(kTypes),
                                  [&](auto &entry) { return entry.first == v.dtype; });
  if (type == std::end(kTypes))
    return error(Code::InvalidArgument) << name << ": dtype " << v.dtype << " is not known";
  std::vector<int64_t> shape(v.shape, v.shape + v.ndim);
  if (!checkedElements(shape))
    return error(Code::InvalidArgument) << name << ": shape " << shapeToString(shape);
  Tensor tensor = Tensor::borrow(type->second, std::move(shape), v.data);
  if (!v.data && tensor.count() > 0)
    return error(Code::InvalidArgument) << name << ": data is NULL";
  if (v.strides)
    tensor.strides.assign(v.strides, v.strides + v.ndim);
  return tensor;
}

Status readRunOptions(const plx_run_options *from, RunOptions &to) {
  if (!from)
    return Status::ok();
  plx_run_options o;
  PLX_RETURN_IF_ERROR(readStruct(from, o, "plx_run_options"));
  if (o.schedule.size)
    to.schedule = str(o.schedule);
  for (size_t i = 0; i < o.want_count; ++i)
    to.wants.push_back(str(o.wants[i]));
  to.chunks.assign(o.chunks, o.chunks + o.chunk_count);
  for (size_t i = 0; i < o.option_count; ++i) {
    plx_option option;
    PLX_RETURN_IF_ERROR(readStruct(o.options[i], option, "plx_option"));
    to.set.emplace_back(str(option.key), str(option.value));
  }
  to.refuseNan = o.refuse_nan != 0;
  return Status::ok();
}

Status run(plx_model &model, const std::vector<NamedTensor> &inputs, const RunOptions &options,
           plx_tensors **out) {
  return EngineThread::shared().run([&]() -> Status {
    if (!model.session) {
      PLX_ASSIGN(model.session, Session::create(model.opened->model));
    }
    PLX_ASSIGN(auto list, model.session->runNamed(inputs, options));
    *out = new plx_tensors{std::move(list)};
    return Status::ok();
  });
}

Expected<std::vector<NamedTensor>> readInputs(const plx_named_view *const *inputs, size_t count) {
  if (count > 0)
    PLX_RETURN_IF_ERROR(need(inputs, "inputs"));
  std::vector<NamedTensor> tensors;
  for (size_t i = 0; i < count; ++i) {
    plx_named_view n;
    PLX_RETURN_IF_ERROR(readStruct(inputs[i], n, "plx_named_view"));
    PLX_ASSIGN(Tensor tensor, readView(n.view, "input \"" + str(n.name) + "\""));
    tensors.push_back({str(n.name), std::move(tensor)});
  }
  return tensors;
}

/// Frees what `member` of a handle and its session hold, on the engine thread, then the handle.
template <typename Handle, typename Member>
void release(Handle *handle, Member Handle::*member) {
  if (!handle)
    return;
  EngineThread::shared().run([&] {
    (handle->*member).reset();
    handle->session.reset();
  });
  delete handle;
}

/// A handle over a session of its own: `fill` makes the rest, on the engine thread.
template <typename Handle, typename Member, typename Fill>
Status openHandle(const plx_model &model, Member Handle::*member, Handle **out, Fill &&fill) {
  auto made = std::make_unique<Handle>();
  made->opened = model.opened;
  Status status = EngineThread::shared().run([&]() -> Status {
    PLX_ASSIGN(made->session, Session::create(made->opened->model));
    PLX_ASSIGN(made.get()->*member, fill(*made->session));
    return Status::ok();
  });
  if (status)
    *out = made.release();
  else
    release(made.release(), member);
  return status;
}

} // namespace

plx_str plx_buffer_bytes(const plx_buffer *buffer) {
  return buffer ? toStr(buffer->bytes) : plx_str{nullptr, 0};
}
void plx_buffer_release(plx_buffer *buffer) { delete buffer; }

size_t plx_tensors_count(const plx_tensors *tensors) { return tensors ? tensors->list.size() : 0; }

plx_str plx_tensors_name(const plx_tensors *tensors, size_t index) {
  return index < plx_tensors_count(tensors) ? toStr(tensors->list[index].name)
                                            : plx_str{nullptr, 0};
}

static Status needIndex(const plx_tensors *tensors, size_t index) {
  if (index < plx_tensors_count(tensors))
    return Status::ok();
  return plexus::error(Code::NotFound)
         << "tensor " << index << " of a list of " << plx_tensors_count(tensors);
}

plx_status plx_tensors_view(const plx_tensors *tensors, size_t index, plx_view *out,
                            plx_error *error) {
  return guarded(error, [&]() -> Status {
    PLX_RETURN_IF_ERROR(need(out, "out"));
    PLX_RETURN_IF_ERROR(needIndex(tensors, index));
    if (out->struct_size < sizeof(plx_view))
      return plexus::error(Code::Mismatch) << "plx_view.struct_size is " << out->struct_size;
    const Tensor &t = tensors->list[index].tensor;
    const auto *type = std::find_if(std::begin(kTypes), std::end(kTypes),
                                    [&](auto &entry) { return entry.second == t.dtype; });
    if (type == std::end(kTypes))
      return plexus::error(Code::Unsupported)
             << "a view of " << dtypeName(t.dtype) << "; take it as DLPack";
    *out = {sizeof(plx_view),
            nullptr,
            t.data.get(),
            type->first,
            PLX_DEVICE_CPU,
            static_cast<int32_t>(t.shape.size()),
            0,
            t.shape.data(),
            t.strides.empty() ? nullptr : t.strides.data()};
    return Status::ok();
  });
}

plx_status plx_tensors_dlpack(const plx_tensors *tensors, size_t index, void **out,
                              plx_error *error) {
  return guarded(error, [&]() -> Status {
    PLX_RETURN_IF_ERROR(need(out, "out"));
    PLX_RETURN_IF_ERROR(needIndex(tensors, index));
    PLX_ASSIGN(dlpack::Managed * managed, exportDlpack(tensors->list[index].tensor));
    *out = managed;
    return Status::ok();
  });
}

void plx_tensors_release(plx_tensors *tensors) { delete tensors; }

plx_status plx_model_run(const plx_model *model, const plx_named_view *const *inputs, size_t count,
                         const plx_run_options *options, plx_tensors **out, plx_error *error) {
  return guarded(error, [&]() -> Status {
    PLX_RETURN_IF_ERROR(need(model, "model"));
    PLX_RETURN_IF_ERROR(need(out, "out"));
    PLX_ASSIGN(auto tensors, readInputs(inputs, count));
    RunOptions o;
    PLX_RETURN_IF_ERROR(readRunOptions(options, o));
    // The session is the engine thread's, whoever holds the handle.
    return run(*const_cast<plx_model *>(model), tensors, o, out);
  });
}

plx_status plx_stream_open(const plx_model *model, const plx_stream_options *options,
                           plx_stream **out, plx_error *error) {
  return guarded(error, [&]() -> Status {
    PLX_RETURN_IF_ERROR(need(model, "model"));
    PLX_RETURN_IF_ERROR(need(out, "out"));
    StreamOptions o;
    if (options) {
      plx_stream_options given;
      PLX_RETURN_IF_ERROR(readStruct(options, given, "plx_stream_options"));
      PLX_RETURN_IF_ERROR(readRunOptions(given.run, o.run));
      o.window = given.window;
      o.hop = given.hop;
    }
    return openHandle(*model, &plx_stream::stream, out,
                      [&](Session &session) { return session.openStream(o); });
  });
}

plx_status plx_stream_push(plx_stream *stream, const plx_named_view *const *inputs, size_t count,
                           plx_tensors **out, plx_error *error) {
  return guarded(error, [&]() -> Status {
    PLX_RETURN_IF_ERROR(need(stream, "stream"));
    PLX_RETURN_IF_ERROR(need(out, "out"));
    PLX_ASSIGN(auto tensors, readInputs(inputs, count));
    PLX_ASSIGN(auto made,
               EngineThread::shared().run([&] { return stream->stream->push(tensors); }));
    *out = new plx_tensors{std::move(made)};
    return Status::ok();
  });
}

plx_status plx_stream_prepare(plx_stream *stream, const plx_named_view *const *inputs, size_t count,
                              plx_prepared **out, plx_error *error) {
  return guarded(error, [&]() -> Status {
    PLX_RETURN_IF_ERROR(need(stream, "stream"));
    PLX_RETURN_IF_ERROR(need(out, "out"));
    PLX_ASSIGN(auto tensors, readInputs(inputs, count));
    auto made = std::make_unique<plx_prepared>();
    made->opened = stream->opened;
    Status status;
    EngineThread::shared().run([&] {
      auto run = stream->stream->prepare(tensors);
      status = run.status();
      if (run)
        made->run = *std::move(run);
    });
    PLX_RETURN_IF_ERROR(status);
    *out = made.release();
    return Status::ok();
  });
}

void plx_stream_reset(plx_stream *stream) {
  if (stream)
    EngineThread::shared().run([&] { stream->stream->reset(); });
}

void plx_stream_release(plx_stream *stream) { release(stream, &plx_stream::stream); }

plx_status plx_model_prepare(const plx_model *model, const plx_named_view *const *inputs,
                             size_t count, const plx_run_options *options, plx_prepared **out,
                             plx_error *error) {
  return guarded(error, [&]() -> Status {
    PLX_RETURN_IF_ERROR(need(model, "model"));
    PLX_RETURN_IF_ERROR(need(out, "out"));
    PLX_ASSIGN(auto tensors, readInputs(inputs, count));
    RunOptions o;
    PLX_RETURN_IF_ERROR(readRunOptions(options, o));
    return openHandle(*model, &plx_prepared::run, out,
                      [&](Session &session) { return session.prepare(tensors, o); });
  });
}

plx_status plx_prepared_run(plx_prepared *prepared, plx_error *error) {
  return guarded(error, [&]() -> Status {
    PLX_RETURN_IF_ERROR(need(prepared, "prepared"));
    return EngineThread::shared().run([&] { return prepared->run->run(); });
  });
}

plx_status plx_prepared_outputs(const plx_prepared *prepared, plx_tensors **out, plx_error *error) {
  return guarded(error, [&]() -> Status {
    PLX_RETURN_IF_ERROR(need(prepared, "prepared"));
    PLX_RETURN_IF_ERROR(need(out, "out"));
    auto outputs = prepared->run->outputs();
    *out = new plx_tensors{{outputs.begin(), outputs.end()}};
    return Status::ok();
  });
}

void plx_prepared_release(plx_prepared *prepared) { release(prepared, &plx_prepared::run); }
