// Parsing the expressions of chat templates, with Jinja's precedence.
#include "runtime/text/jinja/Parser.h"

#include <charconv>

namespace plexus::text::jinja {

namespace {
constexpr int maxDepth = 120;
constexpr size_t maxChain = 1000;
} // namespace

Parser::Nesting::Nesting(Parser &parser) : parser_(parser) {
  if (++parser.depth_ > maxDepth) {
    --parser.depth_;
    throw TemplateError{Code::ResourceExhausted,
                        "nested deeper than " + std::to_string(maxDepth) + " levels",
                        parser.peek().line};
  }
}

bool Parser::takeOperator(std::string_view op) {
  if (!isOperator(op))
    return false;
  next();
  return true;
}
bool Parser::takeName(std::string_view name) {
  if (!isName(name))
    return false;
  next();
  return true;
}
void Parser::expectOperator(std::string_view op) {
  if (!takeOperator(op))
    unexpected("'" + std::string(op) + "'");
}
void Parser::expectName(std::string_view name) {
  if (!takeName(name))
    unexpected("'" + std::string(name) + "'");
}
void Parser::expect(TokenKind kind, const char *what) {
  if (peek().kind != kind)
    unexpected(what);
  next();
}
std::string Parser::identifier() {
  if (peek().kind != TokenKind::Name)
    unexpected("a name");
  return next().text;
}

NodePtr Parser::make(NodeKind kind, std::string name) const {
  auto node = std::make_unique<Node>();
  node->kind = kind;
  node->line = peek().line;
  node->name = std::move(name);
  return node;
}

void Parser::unexpected(const std::string &wanted) const {
  const LexToken &t = peek();
  std::string found = t.kind == TokenKind::End ? "the end"
                      : t.kind == TokenKind::StatementEnd || t.kind == TokenKind::OutputEnd
                          ? "the end of the tag"
                          : "'" + t.text + "'";
  throw TemplateError{Code::InvalidArgument, "expected " + wanted + ", found " + found, t.line};
}

void Parser::refuse(const std::string &what) const {
  throw TemplateError{Code::Unsupported, what, peek().line};
}

NodePtr Parser::expression(bool withCondition) {
  Nesting nesting(*this);
  NodePtr node = orExpression();
  while (withCondition && isName("if")) {
    NodePtr condition = make(NodeKind::Condition);
    next();
    condition->parts.push_back(std::move(node));
    condition->parts.push_back(orExpression());
    condition->parts.push_back(takeName("else") ? expression() : nullptr);
    node = std::move(condition);
  }
  return node;
}

NodePtr Parser::tuple() {
  NodePtr first = expression();
  if (!isOperator(","))
    return first;
  NodePtr list = make(NodeKind::ListOf, "tuple");
  list->parts.push_back(std::move(first));
  while (takeOperator(",")) {
    if (peek().kind == TokenKind::StatementEnd || peek().kind == TokenKind::OutputEnd ||
        isOperator(")"))
      break;
    list->parts.push_back(expression());
  }
  return list;
}

NodePtr Parser::orExpression() {
  NodePtr left = andExpression();
  if (!isName("or"))
    return left;
  NodePtr node = make(NodeKind::Or);
  node->parts.push_back(std::move(left));
  while (takeName("or"))
    node->parts.push_back(andExpression());
  return node;
}

NodePtr Parser::andExpression() {
  NodePtr left = notExpression();
  if (!isName("and"))
    return left;
  NodePtr node = make(NodeKind::And);
  node->parts.push_back(std::move(left));
  while (takeName("and"))
    node->parts.push_back(notExpression());
  return node;
}

NodePtr Parser::notExpression() {
  if (!isName("not"))
    return compare();
  Nesting nesting(*this);
  NodePtr node = make(NodeKind::Not);
  next();
  node->parts.push_back(notExpression());
  return node;
}

NodePtr Parser::compare() {
  NodePtr left = binaryLevel(0);
  NodePtr node;
  auto add = [&](std::string op) {
    if (!node) {
      node = make(NodeKind::Compare);
      node->parts.push_back(std::move(left));
    }
    node->names.push_back(std::move(op));
    node->parts.push_back(binaryLevel(0));
  };
  while (true) {
    std::string_view found;
    for (std::string_view op : {"==", "!=", "<=", ">=", "<", ">"})
      if (isOperator(op))
        found = op;
    if (!found.empty()) {
      next();
      add(std::string(found));
    } else if (takeName("in")) {
      add("in");
    } else if (isName("not") && isName("in", 1)) {
      next();
      next();
      add("not in");
    } else {
      return node ? std::move(node) : std::move(left);
    }
  }
}

/// Levels of left-associative operators, loosest first; then powers.
NodePtr Parser::binaryLevel(size_t level) {
  static const std::vector<std::vector<std::string>> levels = {
      {"+", "-"}, {"~"}, {"*", "/", "//", "%"}};
  if (level == levels.size())
    return power();
  NodePtr left = binaryLevel(level + 1);
  for (size_t chain = 0;; ++chain) {
    const std::string *found = nullptr;
    for (const std::string &op : levels[level])
      if (isOperator(op))
        found = &op;
    if (!found)
      return left;
    if (chain > maxChain)
      throw TemplateError{Code::ResourceExhausted, "too many operators in one expression",
                          peek().line};
    NodePtr node = make(NodeKind::Binary, *found);
    next();
    node->parts.push_back(std::move(left));
    node->parts.push_back(binaryLevel(level + 1));
    left = std::move(node);
  }
}

NodePtr Parser::power() {
  NodePtr left = unary();
  for (size_t chain = 0; isOperator("**") && chain < maxChain; ++chain) {
    NodePtr node = make(NodeKind::Binary, "**");
    next();
    node->parts.push_back(std::move(left));
    node->parts.push_back(unary());
    left = std::move(node);
  }
  return left;
}

NodePtr Parser::unary(bool withFilters) {
  Nesting nesting(*this);
  NodePtr node;
  if (isOperator("-") || isOperator("+")) {
    node = make(NodeKind::Unary, peek().text);
    next();
    node->parts.push_back(unary(false));
  } else {
    node = primary();
  }
  node = postfix(std::move(node));
  return withFilters ? filtersAndTests(std::move(node)) : std::move(node);
}

NodePtr Parser::primary() {
  NodePtr node = make(NodeKind::Literal);
  const LexToken &t = peek();
  if (t.kind == TokenKind::String) {
    std::string text;
    while (peek().kind == TokenKind::String) // Neighbouring strings are one.
      text += next().text;
    node->value = Value(std::move(text));
    return node;
  }
  if (t.kind == TokenKind::Integer || t.kind == TokenKind::Float) {
    int64_t whole = 0;
    double real = 0;
    const char *end = t.text.data() + t.text.size();
    bool isFloat = t.kind == TokenKind::Float;
    auto result = isFloat ? std::from_chars(t.text.data(), end, real)
                          : std::from_chars(t.text.data(), end, whole);
    if (result.ec != std::errc())
      refuse("number " + t.text);
    node->value = isFloat ? Value(real) : Value(whole);
    next();
    return node;
  }
  if (isOperator("(") || isOperator("["))
    return bracketed();
  if (isOperator("{"))
    return mapping();
  std::string name = identifier();
  if (name == "true" || name == "True" || name == "false" || name == "False")
    node->value = Value(name == "true" || name == "True");
  else if (name == "none" || name == "None")
    node->value = Value(None());
  else {
    node->kind = NodeKind::Variable;
    node->name = std::move(name);
  }
  return node;
}

NodePtr Parser::bracketed() {
  bool isList = isOperator("[");
  const char *close = isList ? "]" : ")";
  NodePtr list = make(NodeKind::ListOf, isList ? "" : "tuple");
  next();
  bool comma = false;
  while (!isOperator(close)) {
    list->parts.push_back(expression());
    if (!takeOperator(","))
      break;
    comma = true;
  }
  expectOperator(close);
  if (!isList && !comma && list->parts.size() == 1)
    return std::move(list->parts[0]);
  return list;
}

NodePtr Parser::mapping() {
  NodePtr dict = make(NodeKind::DictOf);
  next();
  while (!isOperator("}")) {
    dict->parts.push_back(expression());
    expectOperator(":");
    dict->parts.push_back(expression());
    if (!takeOperator(","))
      break;
  }
  expectOperator("}");
  return dict;
}

NodePtr Parser::postfix(NodePtr node) {
  for (size_t chain = 0; chain < size_t(maxDepth); ++chain) {
    if (isOperator(".")) {
      NodePtr access = make(NodeKind::Attribute);
      next();
      access->parts.push_back(std::move(node));
      if (peek().kind == TokenKind::Integer) { // x.0 is x[0]
        access->kind = NodeKind::Item;
        access->parts.push_back(primary());
      } else {
        access->name = identifier();
      }
      node = std::move(access);
    } else if (isOperator("[")) {
      node = subscript(std::move(node));
    } else if (isOperator("(")) {
      NodePtr call = make(NodeKind::Call);
      call->parts.push_back(std::move(node));
      arguments(*call);
      node = std::move(call);
    } else {
      return node;
    }
  }
  throw TemplateError{Code::ResourceExhausted, "too many accesses in one expression", peek().line};
}

NodePtr Parser::subscript(NodePtr object) {
  NodePtr node = make(NodeKind::Item);
  next();
  node->parts.push_back(std::move(object));
  auto none = [&] { return make(NodeKind::Literal); };
  auto bound = [&] {
    NodePtr n = isOperator(":") || isOperator("]") ? none() : expression();
    if (n->kind == NodeKind::Literal && n->value.isUndefined())
      n->value = Value(None());
    return n;
  };
  node->parts.push_back(bound());
  if (isOperator(":")) {
    node->kind = NodeKind::Slice;
    for (int i = 0; i < 2; ++i)
      node->parts.push_back(takeOperator(":") ? bound() : none());
    if (node->parts[3]->value.isUndefined() && node->parts[3]->kind == NodeKind::Literal)
      node->parts[3]->value = Value(None());
  }
  expectOperator("]");
  return node;
}

NodePtr Parser::filtersAndTests(NodePtr node) {
  for (size_t chain = 0; chain < size_t(maxDepth); ++chain) {
    if (isOperator("|"))
      node = filter(std::move(node));
    else if (isName("is"))
      node = test(std::move(node));
    else if (isOperator("(")) {
      NodePtr call = make(NodeKind::Call);
      call->parts.push_back(std::move(node));
      arguments(*call);
      node = std::move(call);
    } else
      return node;
  }
  throw TemplateError{Code::ResourceExhausted, "too many filters in one expression", peek().line};
}

NodePtr Parser::filter(NodePtr input) {
  next();
  NodePtr node = make(NodeKind::Filter, identifier());
  if (!isFilter(node->name))
    refuse("filter '" + node->name + "'; known are " + filterNames());
  node->parts.push_back(std::move(input));
  if (isOperator("("))
    arguments(*node);
  return node;
}

NodePtr Parser::test(NodePtr input) {
  next();
  bool negated = takeName("not");
  NodePtr node = make(NodeKind::Test, identifier());
  if (!isTest(node->name))
    refuse("test '" + node->name + "'; known are " + testNames());
  node->parts.push_back(std::move(input));
  const LexToken &t = peek();
  bool hasOperand =
      t.kind == TokenKind::String || t.kind == TokenKind::Integer || t.kind == TokenKind::Float ||
      isOperator("[") || isOperator("{") ||
      (t.kind == TokenKind::Name && t.text != "else" && t.text != "or" && t.text != "and" &&
       t.text != "is" && t.text != "if" && t.text != "in" && t.text != "not");
  if (isOperator("("))
    arguments(*node);
  else if (hasOperand)
    node->arguments.push_back(postfix(primary()));
  if (!negated)
    return node;
  NodePtr outer = make(NodeKind::Not);
  outer->parts.push_back(std::move(node));
  return outer;
}

void Parser::arguments(Node &call) {
  expectOperator("(");
  while (!isOperator(")")) {
    if (isOperator("*") || isOperator("**"))
      refuse("* and ** in calls");
    if (peek().kind == TokenKind::Name && isOperator("=", 1)) {
      std::string name = identifier();
      next();
      call.keywords.push_back({std::move(name), expression()});
    } else if (call.keywords.empty()) {
      call.arguments.push_back(expression());
    } else {
      unexpected("a keyword argument");
    }
    if (!takeOperator(","))
      break;
  }
  expectOperator(")");
}

} // namespace plexus::text::jinja
