// The syntax tree of a chat template.
#pragma once

#include "runtime/text/jinja/Value.h"
#include <memory>
#include <string>
#include <vector>

namespace plexus::text::jinja {

struct Node;
using NodePtr = std::unique_ptr<Node>;

enum class NodeKind {
  // Expressions. `parts` are operands in order; `name` is the operator, attribute, filter or test.
  Literal,   ///< value
  Variable,  ///< name
  ListOf,    ///< parts; a tuple where name is "tuple"
  DictOf,    ///< key, value, key, value ...
  Attribute, ///< parts[0].name
  Item,      ///< parts[0][parts[1]]
  Slice,     ///< parts[0][parts[1]:parts[2]:parts[3]], left-out ones none
  Unary,     ///< name is "-" or "+"
  Not,
  Binary,  ///< + - * / // % ** ~
  Compare, ///< parts[0] op parts[1] op ...; the operators in `names`
  And,
  Or,
  Condition, ///< parts[0] if parts[1] else parts[2] (may be null)
  Filter,    ///< parts[0] | name(arguments)
  Test,      ///< parts[0] is name(arguments)
  Call,      ///< parts[0](arguments)
  // Statements.
  Text,        ///< name
  Output,      ///< parts[0]
  If,          ///< parts[0], body, orElse
  For,         ///< names in parts[0] if parts[1]; body, orElse
  Set,         ///< names (or name.attribute in `name`) = parts[0]
  SetBlock,    ///< names[0] = body | filters in parts[0] over a Variable ""
  Macro,       ///< name(names = parts), body
  With,        ///< names = parts, body
  FilterBlock, ///< body through parts[0]
  Break,
  Continue,
  Group, ///< body
};

struct Node {
  Node() = default;
  Node(const Node &) = delete;
  Node &operator=(const Node &) = delete;
  /// Takes the tree apart without recursion: a long chain of operators nests deeply.
  ~Node();

  NodeKind kind = NodeKind::Group;
  uint32_t line = 0;
  std::string name;
  Value value;
  std::vector<std::string> names;
  std::vector<NodePtr> parts;
  std::vector<NodePtr> arguments;
  std::vector<std::pair<std::string, NodePtr>> keywords;
  std::vector<NodePtr> body, orElse;
};

/// Parses a template into a Group. Throws TemplateError with the line: InvalidArgument for what is
/// not Jinja, Unsupported for what is but is not done here.
NodePtr parse(std::string_view source);

} // namespace plexus::text::jinja
