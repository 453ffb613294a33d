// Reads as much of an ELF image as dlopen will act upon, and refuses what generated code never has.
#include "runtime/artifact/ElfCheck.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <elf.h>
#include <string_view>
#include <vector>

namespace plexus {
namespace {

/// What LLVM's code generator and the math lowerings may call.
constexpr std::string_view kImports[] = {
    "memcpy", "memmove", "memset", "memcmp", "acosf",  "acoshf", "asinf",      "asinhf", "atan2f",
    "atanf",  "atanhf",  "cbrtf",  "ceilf",  "cosf",   "coshf",  "erfcf",      "erff",   "exp2f",
    "expf",   "expm1f",  "fabsf",  "floorf", "fmaf",   "fmaxf",  "fminf",      "fmodf",  "log10f",
    "log1pf", "log2f",   "logf",   "powf",   "rintf",  "roundf", "roundevenf", "sinf",   "sincosf",
    "sinhf",  "sqrtf",   "tanf",   "tanhf",  "truncf", "exp",    "log",        "pow",    "cos",
    "sin",    "sqrt",    "tanh",   "erf",    "floor",  "ceil",   "fma",        "fmax",   "fmin",
    "exp2",   "log2",    "expm1",  "log1p",
};

/// Dynamic tags that run code, redirect the search for libraries, or need a writable text.
constexpr std::pair<int64_t, std::string_view> kForbiddenTags[] = {
    {DT_INIT, "a constructor (DT_INIT)"},
    {DT_INIT_ARRAY, "constructors (DT_INIT_ARRAY)"},
    {DT_PREINIT_ARRAY, "constructors (DT_PREINIT_ARRAY)"},
    {DT_FINI, "a destructor (DT_FINI)"},
    {DT_FINI_ARRAY, "destructors (DT_FINI_ARRAY)"},
    {DT_RPATH, "a search path (DT_RPATH)"},
    {DT_RUNPATH, "a search path (DT_RUNPATH)"},
    {DT_TEXTREL, "relocations in its text (DT_TEXTREL)"},
    {DT_AUDIT, "an auditor (DT_AUDIT)"},
    {DT_DEPAUDIT, "an auditor (DT_DEPAUDIT)"},
    {DT_FILTER, "a filter (DT_FILTER)"},
    {DT_AUXILIARY, "a filter (DT_AUXILIARY)"},
};

ErrorBuilder bad() { return error(Code::Corrupt); }

class ElfChecker {
public:
  ElfChecker(const uint8_t *image, size_t size) : image_(image), size_(size) {}

  Status run() {
    PLX_RETURN_IF_ERROR(checkHeader());
    PLX_RETURN_IF_ERROR(readSegments());
    PLX_RETURN_IF_ERROR(readDynamic());
    PLX_RETURN_IF_ERROR(checkLibraries());
    PLX_RETURN_IF_ERROR(checkSymbols());
    return checkRelocations();
  }

private:
  template <typename T>
  bool read(uint64_t offset, T &out) const {
    if (offset > size_ || size_ - offset < sizeof(T))
      return false;
    std::memcpy(&out, image_ + offset, sizeof(T));
    return true;
  }

  Status checkHeader() {
    if (!read(0, header_) || std::memcmp(header_.e_ident, ELFMAG, SELFMAG) != 0)
      return bad() << "not an ELF image";
    if (header_.e_ident[EI_CLASS] != ELFCLASS64 || header_.e_ident[EI_DATA] != ELFDATA2LSB ||
        header_.e_machine != EM_X86_64)
      return bad() << "not an ELF image of x86-64";
    if (header_.e_type != ET_DYN || header_.e_phentsize != sizeof(Elf64_Phdr))
      return bad() << "not a shared object";
    return Status::ok();
  }

  Status readSegments() {
    for (uint16_t i = 0; i < header_.e_phnum; ++i) {
      Elf64_Phdr segment;
      if (header_.e_phoff > size_ ||
          !read(header_.e_phoff + uint64_t(i) * sizeof(Elf64_Phdr), segment))
        return bad() << "program headers leave the image";
      if (segment.p_offset > size_ || segment.p_filesz > size_ - segment.p_offset)
        return bad() << "program segment " << i << " leaves the image";
      if (segment.p_type == PT_INTERP)
        return bad() << "it names an interpreter";
      if (segment.p_type == PT_LOAD) {
        if (segment.p_memsz < segment.p_filesz || segment.p_memsz > kMaxMemory ||
            segment.p_vaddr > kMaxMemory)
          return bad() << "program segment " << i << " has a size out of range";
        if ((segment.p_flags & PF_W) && (segment.p_flags & PF_X))
          return bad() << "program segment " << i << " is both writable and executable";
        loads_.push_back(segment);
      } else if (segment.p_type == PT_DYNAMIC) {
        dynamic_ = segment;
      }
    }
    if (loads_.empty() || dynamic_.p_filesz == 0)
      return bad() << "nothing to load";
    return Status::ok();
  }

  Status readDynamic() {
    for (uint64_t at = 0; at + sizeof(Elf64_Dyn) <= dynamic_.p_filesz; at += sizeof(Elf64_Dyn)) {
      Elf64_Dyn entry;
      if (!read(dynamic_.p_offset + at, entry))
        return bad() << "the dynamic section leaves the image";
      if (entry.d_tag == DT_NULL)
        return Status::ok();
      for (const auto &[tag, what] : kForbiddenTags)
        if (entry.d_tag == tag)
          return bad() << "it has " << what;
      if (entry.d_tag == DT_NEEDED)
        needed_.push_back(entry.d_un.d_val);
      else if (entry.d_tag >= 0 && entry.d_tag < kTags)
        tags_[entry.d_tag] = entry.d_un.d_val;
    }
    return bad() << "the dynamic section has no end";
  }

  /// File offset of `bytes` bytes at a virtual address, if one loaded segment holds them all.
  bool locate(uint64_t address, uint64_t bytes, uint64_t &offset) const {
    for (const Elf64_Phdr &load : loads_) {
      if (address < load.p_vaddr || address - load.p_vaddr > load.p_filesz ||
          bytes > load.p_filesz - (address - load.p_vaddr))
        continue;
      offset = load.p_offset + (address - load.p_vaddr);
      return true;
    }
    return false;
  }

  bool string(uint64_t index, std::string_view &out) const {
    uint64_t offset, size = tags_[DT_STRSZ];
    if (index >= size || !locate(tags_[DT_STRTAB], size, offset))
      return false;
    const char *begin = reinterpret_cast<const char *>(image_ + offset + index);
    const void *end = std::memchr(begin, 0, size - index);
    if (!end)
      return false;
    out = {begin, static_cast<size_t>(static_cast<const char *>(end) - begin)};
    return true;
  }

  Status checkLibraries() const {
    for (uint64_t index : needed_) {
      std::string_view name;
      if (!string(index, name))
        return bad() << "a library's name leaves the string table";
      if (name != "libc.so.6" && name != "libm.so.6")
        return bad() << "it needs the library '" << name << "'; only libc and libm are allowed";
    }
    return Status::ok();
  }

  /// The symbol table has no size of its own; the classic hash table knows it.
  Status checkSymbols() {
    uint64_t hash, symbols;
    Elf64_Word counts[2];
    if (!locate(tags_[DT_HASH], sizeof(counts), hash) || !read(hash, counts))
      return bad() << "no symbol hash table";
    uint64_t buckets = counts[0];
    symbolCount_ = counts[1];
    if (!locate(tags_[DT_HASH], (2 + buckets + symbolCount_) * sizeof(Elf64_Word), hash) ||
        !locate(tags_[DT_SYMTAB], symbolCount_ * sizeof(Elf64_Sym), symbols))
      return bad() << "the symbol table leaves the image";
    for (uint64_t i = 1; i < symbolCount_; ++i) {
      Elf64_Sym symbol;
      std::string_view name;
      if (!read(symbols + i * sizeof(symbol), symbol) || !string(symbol.st_name, name))
        return bad() << "a symbol's name leaves the string table";
      if (ELF64_ST_TYPE(symbol.st_info) == STT_GNU_IFUNC)
        return bad() << "symbol '" << name << "' is an indirect function";
      if (symbol.st_shndx == SHN_UNDEF &&
          std::find(std::begin(kImports), std::end(kImports), name) == std::end(kImports))
        return bad() << "it imports '" << name << "', which no generated code does";
    }
    return Status::ok();
  }

  /// Relocations may only name known symbols and write into writable or read-only-after-load data.
  Status checkRelocations() const {
    const std::pair<int64_t, int64_t> tables[] = {{DT_RELA, DT_RELASZ}, {DT_JMPREL, DT_PLTRELSZ}};
    for (auto [table, sizeTag] : tables) {
      uint64_t offset, bytes = tags_[sizeTag];
      if (bytes == 0)
        continue;
      if (!locate(tags_[table], bytes, offset))
        return bad() << "the relocations leave the image";
      for (uint64_t at = 0; at + sizeof(Elf64_Rela) <= bytes; at += sizeof(Elf64_Rela)) {
        Elf64_Rela entry;
        if (!read(offset + at, entry))
          return bad() << "the relocations leave the image";
        if (ELF64_R_TYPE(entry.r_info) == R_X86_64_IRELATIVE)
          return bad() << "it has an indirect function";
        if (ELF64_R_SYM(entry.r_info) >= symbolCount_ || !writable(entry.r_offset))
          return bad() << "a relocation is out of range";
      }
    }
    return Status::ok();
  }

  bool writable(uint64_t address) const {
    return std::any_of(loads_.begin(), loads_.end(), [&](const Elf64_Phdr &load) {
      return (load.p_flags & PF_W) && address >= load.p_vaddr &&
             address - load.p_vaddr < load.p_memsz && load.p_memsz - (address - load.p_vaddr) >= 8;
    });
  }

  static constexpr uint64_t kMaxMemory = uint64_t(1) << 32;
  static constexpr int64_t kTags = 40;
  const uint8_t *image_;
  size_t size_;
  Elf64_Ehdr header_ = {};
  Elf64_Phdr dynamic_ = {};
  std::vector<Elf64_Phdr> loads_;
  std::vector<uint64_t> needed_;
  std::array<uint64_t, kTags> tags_ = {};
  uint64_t symbolCount_ = 0;
};

} // namespace

Status checkCodeObject(const uint8_t *image, size_t size) { return ElfChecker(image, size).run(); }

} // namespace plexus
