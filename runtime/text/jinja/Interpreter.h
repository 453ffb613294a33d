// Evaluating the syntax tree of a chat template.
#pragma once

#include "runtime/text/jinja/Ast.h"
#include <optional>

namespace plexus::text::jinja {

/// Names visible at a place; a loop iteration, a macro call and a `with` block each have their own.
struct Frame {
  std::map<std::string, Value, std::less<>> variables;
  std::shared_ptr<Frame> outer;
};

class Interpreter {
public:
  /// `now` is what strftime_now shows, in seconds since 1970.
  explicit Interpreter(int64_t now);
  ~Interpreter();

  /// The rendered text. Throws TemplateError with the line.
  std::string render(const Node &root, std::vector<std::pair<std::string, Value>> variables);

private:
  enum class Flow { Normal, Break, Continue };
  Flow execute(const Node &node);
  Flow executeAll(const std::vector<NodePtr> &nodes);
  Flow executeFor(const Node &node);
  void executeSet(const Node &node);
  void defineMacro(const Node &node);
  Value callMacro(const Node &macro, const std::shared_ptr<Frame> &frame, const Arguments &args,
                  const Keywords &keywords);
  std::string capture(const std::vector<NodePtr> &body);
  ListPtr loopItems(const Node &node);

  Value evaluate(const Node &node);
  Value evaluateCompare(const Node &node);
  Value evaluateCall(const Node &node);
  Value evaluateDict(const Node &node);
  Value evaluateUnary(const Node &node);
  Arguments evaluateAll(const std::vector<NodePtr> &nodes);
  Keywords evaluateKeywords(const Node &node);
  Value lookUp(const std::string &name) const;
  void assign(const std::vector<std::string> &names, const Value &value);
  void addGlobals();

  struct Depth;
  std::shared_ptr<Frame> globals_, frame_;
  std::string *out_ = nullptr;
  Value filterInput_; ///< What a {% set %} or {% filter %} block passes through its filters.
  uint32_t line_ = 0;
  int depth_ = 0;
  size_t loopDepth_ = 0;
  int64_t now_;
  /// Frames and namespaces can point at each other; both are emptied at the end.
  std::vector<std::weak_ptr<Frame>> macroFrames_;
  std::vector<std::weak_ptr<Namespace>> namespaces_;
};

} // namespace plexus::text::jinja
