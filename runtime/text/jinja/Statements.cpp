// Parsing the statements of chat templates.
#include "runtime/text/jinja/Parser.h"

#include <algorithm>
#include <map>

namespace plexus::text::jinja {

namespace {
constexpr size_t maxTemplateBytes = 1u << 20;
}

Node::~Node() {
  std::vector<NodePtr> pending;
  auto takeChildren = [&](Node &node) {
    for (auto *list : {&node.parts, &node.arguments, &node.body, &node.orElse}) {
      for (NodePtr &child : *list)
        pending.push_back(std::move(child));
      list->clear();
    }
    for (auto &keyword : node.keywords)
      pending.push_back(std::move(keyword.second));
    node.keywords.clear();
  };
  takeChildren(*this);
  while (!pending.empty()) {
    NodePtr node = std::move(pending.back());
    pending.pop_back();
    if (node)
      takeChildren(*node);
  }
}

NodePtr parse(std::string_view source) {
  if (source.size() > maxTemplateBytes)
    fail("template of more than " + std::to_string(maxTemplateBytes) + " bytes",
         Code::ResourceExhausted);
  return Parser(source).whole();
}

NodePtr Parser::whole() {
  NodePtr group = make(NodeKind::Group);
  group->body = statements({});
  if (peek().kind != TokenKind::End)
    unexpected("the end of the template");
  return group;
}

std::vector<NodePtr> Parser::statements(std::initializer_list<const char *> until) {
  Nesting nesting(*this);
  std::vector<NodePtr> out;
  while (true) {
    if (peek().kind == TokenKind::Text) {
      NodePtr node = make(NodeKind::Text, peek().text);
      next();
      out.push_back(std::move(node));
    } else if (peek().kind == TokenKind::OutputBegin) {
      NodePtr node = make(NodeKind::Output);
      next();
      node->parts.push_back(tuple());
      expect(TokenKind::OutputEnd, "'}}'");
      out.push_back(std::move(node));
    } else if (peek().kind == TokenKind::StatementBegin) {
      for (const char *end : until)
        if (isName(end, 1))
          return out;
      out.push_back(statement());
    } else {
      if (until.size() > 0)
        unexpected(std::string("'{% ") + *(until.end() - 1) + " %}'");
      return out;
    }
  }
}

NodePtr Parser::statement() {
  next();
  static const std::map<std::string, NodePtr (Parser::*)()> known = {
      {"filter", &Parser::filterStatement}, {"for", &Parser::forStatement},
      {"if", &Parser::ifStatement},         {"macro", &Parser::macroStatement},
      {"set", &Parser::setStatement},       {"with", &Parser::withStatement},
  };
  std::string name = peek().text;
  if (auto it = known.find(name); it != known.end())
    return (this->*it->second)();
  if (name == "generation")
    return plainBlock("endgeneration");
  if (name == "break" || name == "continue") {
    if (loops_ == 0)
      refuse("'" + name + "' outside of a loop");
    NodePtr node = make(name == "break" ? NodeKind::Break : NodeKind::Continue);
    next();
    expect(TokenKind::StatementEnd, "'%}'");
    return node;
  }
  refuse("statement '" + name +
         "'; known are break, continue, filter, for, generation, if, macro, raw, set, with");
}

void Parser::endTag(const char *name) {
  expect(TokenKind::StatementBegin, "'{%'");
  expectName(name);
  expect(TokenKind::StatementEnd, "'%}'");
}

NodePtr Parser::plainBlock(const char *end) {
  NodePtr node = make(NodeKind::Group);
  next();
  expect(TokenKind::StatementEnd, "'%}'");
  node->body = statements({end});
  endTag(end);
  return node;
}

NodePtr Parser::ifStatement() {
  Nesting nesting(*this);
  NodePtr node = make(NodeKind::If);
  next();
  node->parts.push_back(tuple());
  expect(TokenKind::StatementEnd, "'%}'");
  node->body = statements({"elif", "else", "endif"});
  if (isName("elif", 1)) {
    next();
    node->orElse.push_back(ifStatement()); // Takes the closing tag with it.
    return node;
  }
  if (isName("else", 1)) {
    next();
    next();
    expect(TokenKind::StatementEnd, "'%}'");
    node->orElse = statements({"endif"});
  }
  endTag("endif");
  return node;
}

std::vector<std::string> Parser::targets() {
  bool bracket = takeOperator("(");
  std::vector<std::string> names = {identifier()};
  while (takeOperator(","))
    names.push_back(identifier());
  if (bracket)
    expectOperator(")");
  return names;
}

NodePtr Parser::forStatement() {
  NodePtr node = make(NodeKind::For);
  next();
  node->names = targets();
  expectName("in");
  NodePtr items = expression(false);
  if (isOperator(",")) {
    NodePtr list = make(NodeKind::ListOf);
    list->parts.push_back(std::move(items));
    while (takeOperator(","))
      list->parts.push_back(expression(false));
    items = std::move(list);
  }
  node->parts.push_back(std::move(items));
  node->parts.push_back(takeName("if") ? expression() : nullptr);
  if (isName("recursive"))
    refuse("recursive loops");
  expect(TokenKind::StatementEnd, "'%}'");
  ++loops_;
  node->body = statements({"else", "endfor"});
  --loops_;
  if (isName("else", 1)) {
    next();
    next();
    expect(TokenKind::StatementEnd, "'%}'");
    node->orElse = statements({"endfor"});
  }
  endTag("endfor");
  return node;
}

NodePtr Parser::setStatement() {
  NodePtr node = make(NodeKind::Set);
  next();
  node->names = targets();
  if (node->names.size() == 1 && takeOperator("."))
    node->name = identifier();
  if (takeOperator("=")) {
    node->parts.push_back(tuple());
    expect(TokenKind::StatementEnd, "'%}'");
    return node;
  }
  if (node->names.size() != 1 || !node->name.empty())
    unexpected("'='");
  // {% set x %}...{% endset %}, possibly through filters.
  node->kind = NodeKind::SetBlock;
  NodePtr filtered = make(NodeKind::Variable);
  while (isOperator("|"))
    filtered = filter(std::move(filtered));
  node->parts.push_back(std::move(filtered));
  expect(TokenKind::StatementEnd, "'%}'");
  node->body = statements({"endset"});
  endTag("endset");
  return node;
}

NodePtr Parser::macroStatement() {
  NodePtr node = make(NodeKind::Macro);
  next();
  node->name = identifier();
  expectOperator("(");
  while (!isOperator(")")) {
    node->names.push_back(identifier());
    node->parts.push_back(takeOperator("=") ? expression() : nullptr);
    if (!takeOperator(","))
      break;
  }
  expectOperator(")");
  expect(TokenKind::StatementEnd, "'%}'");
  int outer = std::exchange(loops_, 0);
  node->body = statements({"endmacro"});
  loops_ = outer;
  endTag("endmacro");
  return node;
}

NodePtr Parser::withStatement() {
  NodePtr node = make(NodeKind::With);
  next();
  while (peek().kind == TokenKind::Name) {
    node->names.push_back(identifier());
    expectOperator("=");
    node->parts.push_back(expression());
    if (!takeOperator(","))
      break;
  }
  expect(TokenKind::StatementEnd, "'%}'");
  node->body = statements({"endwith"});
  endTag("endwith");
  return node;
}

NodePtr Parser::filterStatement() {
  NodePtr node = make(NodeKind::FilterBlock);
  // The first filter has no '|' before it; filter() skips the token in front of the name.
  NodePtr filtered = filter(make(NodeKind::Variable));
  while (isOperator("|"))
    filtered = filter(std::move(filtered));
  node->parts.push_back(std::move(filtered));
  expect(TokenKind::StatementEnd, "'%}'");
  node->body = statements({"endfilter"});
  endTag("endfilter");
  return node;
}

} // namespace plexus::text::jinja
