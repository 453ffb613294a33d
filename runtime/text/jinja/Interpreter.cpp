// The tree-walking interpreter of the template engine.
#include "runtime/text/jinja/Interpreter.h"

#include <algorithm>
#include <ctime>

namespace plexus::text::jinja {

namespace {
constexpr int maxDepth = 800;
constexpr int64_t maxRange = 100'000;
} // namespace

struct Interpreter::Depth {
  explicit Depth(int &depth) : depth_(depth) {
    if (++depth > maxDepth) {
      --depth;
      fail("recursion deeper than " + std::to_string(maxDepth) + " steps", Code::ResourceExhausted);
    }
  }
  ~Depth() { --depth_; }
  int &depth_;
};

Interpreter::Interpreter(int64_t now)
    : globals_(std::make_shared<Frame>()), frame_(globals_), now_(now) {
  addGlobals();
}

Interpreter::~Interpreter() {
  for (auto &weak : namespaces_)
    if (auto ns = weak.lock())
      ns->fields.clear();
  for (auto &weak : macroFrames_)
    if (auto frame = weak.lock())
      frame->variables.clear();
}

namespace {
Value function(std::string name, std::function<Value(const Arguments &, const Keywords &)> f) {
  return std::make_shared<const Callable>(Callable{std::move(name), std::move(f)});
}

Value rangeOf(const Arguments &a, const Keywords &k) {
  Bound b("range", {"start", "stop", "step"}, a, k);
  int64_t start = a.size() > 1 ? b.integer(0, 0) : 0;
  int64_t stop = asInteger(b.at(a.size() > 1 ? 1 : 0), "range bound");
  int64_t step = b.integer(2, 1);
  if (step == 0)
    fail("range() step cannot be zero");
  std::vector<Value> out;
  for (int64_t i = start; step > 0 ? i < stop : i > stop;) {
    out.push_back(i);
    if (int64_t(out.size()) > maxRange)
      fail("range of more than " + std::to_string(maxRange) + " numbers", Code::ResourceExhausted);
    if (__builtin_add_overflow(i, step, &i))
      break;
  }
  return Value::list(std::move(out));
}

Value raise(const Arguments &a, const Keywords &k) {
  Bound b("raise_exception", {"message"}, a, k);
  fail("the template refuses: " + b.at(0).text());
}

std::string formatTime(const std::string &format, int64_t now) {
  std::time_t time = std::time_t(now);
  std::tm parts{};
  localtime_r(&time, &parts);
  char buffer[1024];
  // strftime's result cannot be told from a failure when it is empty; a guard character helps.
  size_t n = std::strftime(buffer, sizeof buffer, (format + "|").c_str(), &parts);
  if (n == 0)
    fail("strftime_now: format too long");
  return std::string(buffer, n - 1);
}
} // namespace

void Interpreter::addGlobals() {
  auto &g = globals_->variables;
  g["range"] = function("range", rangeOf);
  g["raise_exception"] = function("raise_exception", raise);
  g["dict"] = function("dict", [](const Arguments &a, const Keywords &k) {
    if (!a.empty())
      unsupported("dict() of something; use keywords");
    return Value::dict(k);
  });
  g["namespace"] = function("namespace", [this](const Arguments &a, const Keywords &k) {
    auto ns = std::make_shared<Namespace>();
    for (const Value &v : a) {
      if (!v.dict())
        fail("namespace() takes mappings and keywords");
      for (const auto &[key, value] : v.dict()->entries)
        ns->fields[key] = value;
    }
    for (const auto &[key, value] : k)
      ns->fields[key] = value;
    namespaces_.push_back(ns);
    return Value(ns);
  });
  g["strftime_now"] = function("strftime_now", [this](const Arguments &a, const Keywords &k) {
    Bound b("strftime_now", {"format"}, a, k);
    return Value(formatTime(b.string(0, ""), now_));
  });
}

std::string Interpreter::render(const Node &root,
                                std::vector<std::pair<std::string, Value>> variables) {
  for (auto &[name, value] : variables)
    globals_->variables[name] = std::move(value);
  std::string out;
  out_ = &out;
  try {
    execute(root);
  } catch (TemplateError &e) {
    if (e.line == 0)
      e.line = line_;
    throw;
  }
  return out;
}

Interpreter::Flow Interpreter::executeAll(const std::vector<NodePtr> &nodes) {
  for (const NodePtr &node : nodes)
    if (Flow flow = execute(*node); flow != Flow::Normal)
      return flow;
  return Flow::Normal;
}

Interpreter::Flow Interpreter::execute(const Node &node) {
  Depth depth(depth_);
  Budget::spend(1);
  line_ = node.line;
  switch (node.kind) {
  case NodeKind::Text:
    *out_ += node.name;
    break;
  case NodeKind::Output:
    *out_ += evaluate(*node.parts[0]).text();
    break;
  case NodeKind::If:
    return executeAll(evaluate(*node.parts[0]).truthy() ? node.body : node.orElse);
  case NodeKind::For:
    return executeFor(node);
  case NodeKind::Set:
    executeSet(node);
    return Flow::Normal;
  case NodeKind::SetBlock:
  case NodeKind::FilterBlock: {
    filterInput_ = Value(capture(node.body));
    Value result = evaluate(*node.parts[0]);
    if (node.kind == NodeKind::SetBlock)
      frame_->variables[node.names[0]] = std::move(result);
    else
      *out_ += result.text();
    break;
  }
  case NodeKind::Macro:
    defineMacro(node);
    return Flow::Normal;
  case NodeKind::With: {
    auto inner = std::make_shared<Frame>(Frame{{}, frame_});
    for (size_t i = 0; i < node.names.size(); ++i)
      inner->variables[node.names[i]] = evaluate(*node.parts[i]);
    auto outer = std::exchange(frame_, inner);
    Flow flow = executeAll(node.body);
    frame_ = outer;
    return flow;
  }
  case NodeKind::Break:
    return Flow::Break;
  case NodeKind::Continue:
    return Flow::Continue;
  case NodeKind::Group:
    return executeAll(node.body);
  default:
    fail("not a statement", Code::Internal);
  }
  Budget::checkText(out_->size() / 1024);
  if (out_->size() > Budget::maxTextBytes)
    Budget::checkText(out_->size());
  return Flow::Normal;
}

void Interpreter::assign(const std::vector<std::string> &names, const Value &value) {
  if (names.size() == 1) {
    frame_->variables[names[0]] = value;
    return;
  }
  std::vector<Value> items = value.elements();
  if (items.size() != names.size())
    fail("cannot spread " + std::to_string(items.size()) + " values over " +
         std::to_string(names.size()) + " names");
  for (size_t i = 0; i < names.size(); ++i)
    frame_->variables[names[i]] = items[i];
}

ListPtr Interpreter::loopItems(const Node &node) {
  std::vector<Value> items = evaluate(*node.parts[0]).elements();
  if (node.parts[1]) {
    auto outer = std::exchange(frame_, std::make_shared<Frame>(Frame{{}, frame_}));
    std::erase_if(items, [&](const Value &item) {
      assign(node.names, item);
      return !evaluate(*node.parts[1]).truthy();
    });
    frame_ = outer;
  }
  return *Value::list(std::move(items)).as<ListPtr>();
}

Interpreter::Flow Interpreter::executeFor(const Node &node) {
  ListPtr items = loopItems(node);
  if (items->items.empty())
    return executeAll(node.orElse);
  auto outer = frame_;
  ++loopDepth_;
  for (size_t i = 0; i < items->items.size(); ++i) {
    Budget::spend(1);
    frame_ = std::make_shared<Frame>(Frame{{}, outer});
    assign(node.names, items->items[i]);
    frame_->variables["loop"] =
        Value(std::make_shared<const LoopState>(LoopState{items, i, loopDepth_}));
    if (executeAll(node.body) == Flow::Break)
      break;
  }
  --loopDepth_;
  frame_ = outer;
  return Flow::Normal;
}

void Interpreter::executeSet(const Node &node) {
  Value value = evaluate(*node.parts[0]);
  if (node.name.empty())
    return assign(node.names, value);
  Value target = lookUp(node.names[0]);
  auto ns = target.as<std::shared_ptr<Namespace>>();
  if (!ns)
    fail("cannot set an attribute of " + std::string(target.kind()) + "; only of a namespace");
  (*ns)->fields[node.name] = std::move(value);
}

std::string Interpreter::capture(const std::vector<NodePtr> &body) {
  std::string text;
  std::string *outer = std::exchange(out_, &text);
  auto outerFrame = std::exchange(frame_, std::make_shared<Frame>(Frame{{}, frame_}));
  executeAll(body);
  frame_ = outerFrame;
  out_ = outer;
  return text;
}

void Interpreter::defineMacro(const Node &node) {
  macroFrames_.push_back(frame_);
  frame_->variables[node.name] =
      function(node.name, [this, &node, frame = frame_](const Arguments &a, const Keywords &k) {
        return callMacro(node, frame, a, k);
      });
}

Value Interpreter::callMacro(const Node &macro, const std::shared_ptr<Frame> &frame,
                             const Arguments &args, const Keywords &keywords) {
  Depth depth(depth_);
  Bound bound(macro.name, macro.names, args, keywords);
  auto outer = std::exchange(frame_, std::make_shared<Frame>(Frame{{}, frame}));
  size_t outerLoops = std::exchange(loopDepth_, 0);
  for (size_t i = 0; i < macro.names.size(); ++i)
    frame_->variables[macro.names[i]] = bound.has(i)     ? bound.at(i)
                                        : macro.parts[i] ? evaluate(*macro.parts[i])
                                                         : Value(Undefined{macro.names[i]});
  std::string text;
  std::string *outerOut = std::exchange(out_, &text);
  executeAll(macro.body);
  out_ = outerOut;
  loopDepth_ = outerLoops;
  frame_ = outer;
  return text;
}

Value Interpreter::lookUp(const std::string &name) const {
  if (name.empty())
    return filterInput_;
  for (const Frame *frame = frame_.get(); frame; frame = frame->outer.get())
    if (auto it = frame->variables.find(name); it != frame->variables.end())
      return it->second;
  return Undefined{name};
}

Arguments Interpreter::evaluateAll(const std::vector<NodePtr> &nodes) {
  Arguments out;
  for (const NodePtr &node : nodes)
    out.push_back(evaluate(*node));
  return out;
}

Keywords Interpreter::evaluateKeywords(const Node &node) {
  Keywords out;
  for (const auto &[name, value] : node.keywords)
    out.push_back({name, evaluate(*value)});
  return out;
}

Value Interpreter::evaluateCompare(const Node &node) {
  Value left = evaluate(*node.parts[0]);
  for (size_t i = 0; i < node.names.size(); ++i) {
    Value right = evaluate(*node.parts[i + 1]);
    const std::string &op = node.names[i];
    bool holds = op == "=="       ? equal(left, right)
                 : op == "!="     ? !equal(left, right)
                 : op == "in"     ? contains(right, left)
                 : op == "not in" ? !contains(right, left)
                 : op == "<"      ? order(left, right) < 0
                 : op == "<="     ? order(left, right) <= 0
                 : op == ">"      ? order(left, right) > 0
                                  : order(left, right) >= 0;
    if (!holds)
      return false;
    left = std::move(right);
  }
  return true;
}

Value Interpreter::evaluateCall(const Node &node) {
  Value callee = evaluate(*node.parts[0]);
  if (auto f = callee.as<std::shared_ptr<const Callable>>()) {
    Arguments args = evaluateAll(node.arguments);
    Keywords keywords = evaluateKeywords(node);
    auto kept = *f; // The variable that holds it may be set anew meanwhile.
    return kept->call(args, keywords);
  }
  if (auto u = callee.as<Undefined>())
    fail("'" + u->name + "' is undefined and cannot be called");
  fail(std::string(callee.kind()) + " cannot be called");
}

Value Interpreter::evaluateDict(const Node &node) {
  std::vector<std::pair<std::string, Value>> entries;
  for (size_t i = 0; i < node.parts.size(); i += 2) {
    Value key = evaluate(*node.parts[i]);
    if (!key.string())
      unsupported(std::string("mapping with ") + key.kind() + " as a key");
    entries.push_back({*key.string(), evaluate(*node.parts[i + 1])});
  }
  return Value::dict(std::move(entries));
}

Value Interpreter::evaluateUnary(const Node &node) {
  Value v = evaluate(*node.parts[0]);
  if (!v.isNumber())
    fail(std::string("'") + node.name + "' before " + v.kind());
  return binary(node.name, Value(int64_t(0)), v);
}

Value Interpreter::evaluate(const Node &node) {
  Depth depth(depth_);
  Budget::spend(1);
  line_ = node.line;
  auto part = [&](size_t i) { return evaluate(*node.parts[i]); };
  switch (node.kind) {
  case NodeKind::Literal:
    return node.value;
  case NodeKind::Variable:
    return lookUp(node.name);
  case NodeKind::ListOf:
    return Value::list(evaluateAll(node.parts), node.name == "tuple");
  case NodeKind::DictOf:
    return evaluateDict(node);
  case NodeKind::Attribute:
    return getAttribute(part(0), node.name);
  case NodeKind::Item: {
    Value object = part(0);
    return getItem(object, part(1));
  }
  case NodeKind::Slice: {
    Value object = part(0), start = part(1), stop = part(2);
    auto orNone = [](Value v) { return v.isUndefined() ? Value(None()) : v; };
    return slice(object, orNone(start), orNone(stop), orNone(part(3)));
  }
  case NodeKind::Unary:
    return evaluateUnary(node);
  case NodeKind::Not:
    return !part(0).truthy();
  case NodeKind::Binary: {
    Value left = part(0);
    return binary(node.name, left, part(1));
  }
  case NodeKind::Compare:
    return evaluateCompare(node);
  case NodeKind::And:
  case NodeKind::Or: {
    Value v;
    for (const NodePtr &operand : node.parts)
      if ((v = evaluate(*operand)).truthy() == (node.kind == NodeKind::Or))
        break;
    return v;
  }
  case NodeKind::Condition:
    if (part(1).truthy())
      return part(0);
    return node.parts[2] ? part(2) : Value(Undefined{"the missing else of an inline if"});
  case NodeKind::Filter: {
    Value input = part(0);
    Arguments args = evaluateAll(node.arguments);
    return applyFilter(node.name, input, args, evaluateKeywords(node));
  }
  case NodeKind::Test: {
    Value input = part(0);
    return applyTest(node.name, input, evaluateAll(node.arguments));
  }
  case NodeKind::Call:
    return evaluateCall(node);
  default:
    fail("not an expression", Code::Internal);
  }
}

} // namespace plexus::text::jinja
