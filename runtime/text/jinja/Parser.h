// Recursive-descent parser of the template engine; Expressions.cpp and Statements.cpp share it.
#pragma once

#include "runtime/text/jinja/Ast.h"
#include "runtime/text/jinja/Lexer.h"
#include <initializer_list>

namespace plexus::text::jinja {

class Parser {
public:
  explicit Parser(std::string_view source) : tokens_(lex(source)) {}
  NodePtr whole();

private:
  // Expressions, loosest first.
  NodePtr expression(bool withCondition = true);
  NodePtr tuple();
  NodePtr orExpression();
  NodePtr andExpression();
  NodePtr notExpression();
  NodePtr compare();
  NodePtr binaryLevel(size_t level);
  NodePtr power();
  NodePtr unary(bool withFilters = true);
  NodePtr primary();
  NodePtr bracketed();
  NodePtr mapping();
  NodePtr postfix(NodePtr node);
  NodePtr subscript(NodePtr object);
  NodePtr filtersAndTests(NodePtr node);
  NodePtr filter(NodePtr input);
  NodePtr test(NodePtr input);
  void arguments(Node &call);

  // Statements.
  std::vector<NodePtr> statements(std::initializer_list<const char *> until);
  NodePtr statement();
  NodePtr ifStatement();
  NodePtr forStatement();
  NodePtr setStatement();
  NodePtr macroStatement();
  NodePtr withStatement();
  NodePtr filterStatement();
  NodePtr plainBlock(const char *end);
  void endTag(const char *name);
  std::vector<std::string> targets();

  const LexToken &peek(size_t ahead = 0) const {
    return tokens_[std::min(pos_ + ahead, tokens_.size() - 1)];
  }
  LexToken next() { return tokens_[pos_ + 1 < tokens_.size() ? pos_++ : pos_]; }
  bool isOperator(std::string_view op, size_t ahead = 0) const {
    return peek(ahead).kind == TokenKind::Operator && peek(ahead).text == op;
  }
  bool isName(std::string_view name, size_t ahead = 0) const {
    return peek(ahead).kind == TokenKind::Name && peek(ahead).text == name;
  }
  bool takeOperator(std::string_view op);
  bool takeName(std::string_view name);
  void expectOperator(std::string_view op);
  void expectName(std::string_view name);
  void expect(TokenKind kind, const char *what);
  std::string identifier();
  NodePtr make(NodeKind kind, std::string name = {}) const;
  [[noreturn]] void unexpected(const std::string &wanted) const;
  [[noreturn]] void refuse(const std::string &what) const;

  /// Counts nesting, so that no template can exhaust the stack.
  struct Nesting {
    explicit Nesting(Parser &parser);
    ~Nesting() { --parser_.depth_; }
    Parser &parser_;
  };

  std::vector<LexToken> tokens_;
  size_t pos_ = 0;
  int depth_ = 0;
  int loops_ = 0;
};

} // namespace plexus::text::jinja
