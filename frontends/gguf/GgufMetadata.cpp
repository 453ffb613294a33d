#include "frontends/gguf/GgufMetadata.h"

namespace plexus::frontends {

void GgufMetadata::wrongType(std::string_view key, const GgufValue &wanted,
                             const GgufValue &found) {
  problem("\"" + std::string(key) + "\" should be " + std::string(ggufKind(wanted)) + ", found " +
          ggufValueToString(found));
}

Status GgufMetadata::check() const {
  if (problems_.empty())
    return Status::ok();
  std::string text;
  for (const std::string &one : problems_)
    text += (text.empty() ? "" : "; ") + one;
  return error(Code::Corrupt) << file_.path() << ": metadata: " << text;
}

Status GgufMetadata::allRead(std::string_view prefix) const {
  PLX_RETURN_IF_ERROR(check());
  std::string unread;
  for (const auto &[key, value] : file_.metadata())
    if (key.starts_with(prefix) && !read_.contains(key))
      unread += "\n  " + key + " = " + ggufValueToString(value);
  if (unread.empty())
    return Status::ok();
  return error(Code::Unsupported)
         << file_.path() << ": metadata that may change what the model computes and that Plexus "
         << "does not know:" << unread;
}

} // namespace plexus::frontends
