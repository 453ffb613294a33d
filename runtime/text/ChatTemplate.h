// Chat templates: from messages to the text that a chat model was trained to continue.
#pragma once

#include "runtime/support/Status.h"
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace plexus {

namespace text::jinja {
struct Node;
}

struct ChatMessage {
  std::string role; ///< "system", "user", "assistant" ...
  std::string content;
};

/// What a template sees besides the messages. Names follow transformers' apply_chat_template.
struct ChatOptions {
  bool addGenerationPrompt = true; ///< End with the opening of the assistant's answer.
  std::optional<std::string> bosToken, eosToken, unkToken, padToken;
  std::string tools;     ///< JSON array of tool descriptions; empty for none.
  std::string variables; ///< JSON object of further variables, such as {"enable_thinking": false}.
  std::optional<int64_t> now; ///< What strftime_now shows, in seconds since 1970; else the present.
};

/// A parsed chat template: the part of Jinja that published templates use, set up as transformers
/// does (trim_blocks, lstrip_blocks, loop controls, `generation` blocks, raise_exception,
/// strftime_now).
///
/// Statements: if, for, set, macro, with, filter, raw, break, continue, generation. All operators,
/// subscripts and slices; the filters, tests and methods of str and dict that templates use.
/// Everything else is refused by name with its line. Rendering ends within fixed limits of steps,
/// depth and size whatever the template does. Immutable; any number of threads may render one.
class ChatTemplate {
public:
  /// InvalidArgument for a syntax error, Unsupported for Jinja that is not done here.
  static Expected<ChatTemplate> parse(std::string_view source);

  /// The text for `messages`. InvalidArgument where the template raises an exception or uses an
  /// undefined value; ResourceExhausted where it passes a limit.
  Expected<std::string> render(std::span<const ChatMessage> messages,
                               const ChatOptions &options = {}) const;
  /// The same for messages as a JSON array of objects, which may have more than role and content.
  Expected<std::string> renderJson(std::string_view messages,
                                   const ChatOptions &options = {}) const;

private:
  std::shared_ptr<const text::jinja::Node> root_;
};

/// ChatTemplate::parse and render in one.
Expected<std::string> renderChat(std::string_view source, std::span<const ChatMessage> messages,
                                 const ChatOptions &options = {});

} // namespace plexus
