// The public face of the template engine: JSON in, text out, exceptions kept inside.
#include "runtime/text/ChatTemplate.h"
#include "runtime/text/JsonFields.h"
#include "runtime/text/Utf8.h"
#include "runtime/text/jinja/Interpreter.h"

#include <ctime>
#include <new>

namespace plexus {

using namespace text;
using namespace text::jinja;

namespace {
using OrderedJson = nlohmann::ordered_json; // Python's mappings keep their order.

template <typename F>
auto guarded(F f) -> decltype(f()) {
  try {
    Budget::reset();
    return f();
  } catch (const TemplateError &e) {
    std::string where =
        e.line > 0 ? "chat template, line " + std::to_string(e.line) : "chat template";
    return Status(e.code, where + ": " + e.message);
  } catch (const std::bad_alloc &) {
    return Status(Code::ResourceExhausted, "chat template: out of memory");
  } catch (const std::exception &e) {
    return Status(Code::Internal, std::string("chat template: ") + e.what());
  }
}

Value toValue(const OrderedJson &json) {
  if (json.is_object()) {
    std::vector<std::pair<std::string, Value>> entries;
    for (auto it = json.begin(); it != json.end(); ++it)
      entries.push_back({it.key(), toValue(it.value())});
    return Value::dict(std::move(entries));
  }
  if (json.is_array()) {
    std::vector<Value> items;
    for (const OrderedJson &item : json)
      items.push_back(toValue(item));
    return Value::list(std::move(items));
  }
  if (json.is_string())
    return json.get<std::string>();
  if (json.is_boolean())
    return json.get<bool>();
  if (json.is_number_unsigned() && json.get<uint64_t>() > uint64_t(INT64_MAX))
    unsupported("integer " + json.dump());
  if (json.is_number_integer())
    return json.get<int64_t>();
  if (json.is_number_float())
    return json.get<double>();
  return None();
}

Value parseValue(std::string_view bytes, const char *what) {
  if (Status status = checkJsonDepth(bytes, what); !status)
    fail(status.message(), status.code());
  OrderedJson json = OrderedJson::parse(bytes, nullptr, false);
  if (json.is_discarded())
    fail(std::string(what) + ": not valid JSON");
  return toValue(json);
}

std::vector<std::pair<std::string, Value>> variables(Value messages, const ChatOptions &o) {
  std::vector<std::pair<std::string, Value>> out;
  for (const auto &[name, token] :
       {std::pair("bos_token", &o.bosToken), std::pair("eos_token", &o.eosToken),
        std::pair("unk_token", &o.unkToken), std::pair("pad_token", &o.padToken)})
    if (*token)
      out.push_back({name, lossyUtf8(**token)});
  out.push_back({"messages", std::move(messages)});
  out.push_back({"tools", o.tools.empty() ? Value(None()) : parseValue(o.tools, "tools")});
  out.push_back({"documents", None()});
  out.push_back({"add_generation_prompt", o.addGenerationPrompt});
  if (!o.variables.empty()) {
    Value more = parseValue(o.variables, "variables");
    if (!more.dict())
      fail("variables: must be a JSON object");
    out.insert(out.end(), more.dict()->entries.begin(), more.dict()->entries.end());
  }
  return out;
}

Expected<std::string> renderWith(const Node &root, const ChatOptions &options,
                                 const std::function<Value()> &messages) {
  return guarded([&]() -> Expected<std::string> {
    Interpreter interpreter(options.now.value_or(int64_t(std::time(nullptr))));
    return interpreter.render(root, variables(messages(), options));
  });
}
} // namespace

Expected<ChatTemplate> ChatTemplate::parse(std::string_view source) {
  return guarded([&]() -> Expected<ChatTemplate> {
    ChatTemplate out;
    out.root_ = std::shared_ptr<const Node>(jinja::parse(lossyUtf8(source)));
    return out;
  });
}

Expected<std::string> ChatTemplate::render(std::span<const ChatMessage> messages,
                                           const ChatOptions &options) const {
  return renderWith(*root_, options, [&] {
    std::vector<Value> list;
    for (const ChatMessage &m : messages)
      list.push_back(Value::dict(
          {{"role", Value(lossyUtf8(m.role))}, {"content", Value(lossyUtf8(m.content))}}));
    return Value::list(std::move(list));
  });
}

Expected<std::string> ChatTemplate::renderJson(std::string_view messages,
                                               const ChatOptions &options) const {
  return renderWith(*root_, options, [&] {
    Value list = parseValue(messages, "messages");
    if (!list.list())
      fail("messages: must be a JSON array");
    return list;
  });
}

Expected<std::string> renderChat(std::string_view source, std::span<const ChatMessage> messages,
                                 const ChatOptions &options) {
  PLX_ASSIGN(ChatTemplate parsed, ChatTemplate::parse(source));
  return parsed.render(messages, options);
}

} // namespace plexus
