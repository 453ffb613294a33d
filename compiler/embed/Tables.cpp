// The schedule as assembly: every field is a .quad, every list a label.
#include "compiler/embed/Tables.h"

#include <algorithm>
#include <bit>
#include <sstream>

namespace plexus::compiler {
namespace {

/// Gives each value a slot; it is free again after the last step that has to do with the value.
/// Values of unlike sizes may share one: a slot is as large as its largest.
std::vector<int> assignSlots(const Schedule &schedule, int output, int &slotCount) {
  std::vector<int> lastStep(schedule.values.size(), -1);
  for (size_t s = 0; s < schedule.steps.size(); ++s)
    for (const std::vector<int> *values : {&schedule.steps[s].in, &schedule.steps[s].out})
      for (int value : *values)
        lastStep[value] = static_cast<int>(s);
  lastStep[output] = -1; // read after all steps
  std::vector<std::vector<int>> ending(schedule.steps.size());
  for (size_t value = 0; value < lastStep.size(); ++value)
    if (lastStep[value] >= 0)
      ending[lastStep[value]].push_back(static_cast<int>(value));
  std::vector<int> slots(schedule.values.size(), 0), free;
  slotCount = 0;
  auto take = [&](int value) {
    if (free.empty())
      free.push_back(slotCount++);
    slots[value] = free.back();
    free.pop_back();
  };
  for (size_t value = 0; value < schedule.inputs.size(); ++value)
    take(static_cast<int>(value));
  for (size_t s = 0; s < schedule.steps.size(); ++s) {
    for (int value : schedule.steps[s].out)
      take(value);
    for (int value : ending[s])
      free.push_back(slots[value]);
  }
  return slots;
}

class TableWriter {
public:
  TableWriter(const Program &program, const Schedule &schedule) : p_(program), s_(schedule) {}

  std::string write(int output, int needs, const EmbedNames &names) {
    out_ << ".section .rodata.plx_weights,\"a\",@progbits\n.balign 64\nplx_embed_weights:\n";
    if (!p_.weights.empty())
      out_ << ".incbin \"" << names.weightsFile << "\"\n";
    out_ << ".section .data.rel.ro.plx_embed,\"aw\",@progbits\n.balign 64\n";
    int slotCount = 0;
    writeValues(assignSlots(s_, output, slotCount));
    writeSteps();
    label("pages");
    for (const StateInfo &state : p_.states)
      quad(state.kind == StateKind::Replace ? 0 : state.pageBytes());
    out_ << ".globl plx_embed_table\n.hidden plx_embed_table\nplx_embed_table:\n";
    for (int64_t field :
         {int64_t(needs), p_.model.context, int64_t(output), int64_t(s_.values.size()),
          int64_t(slotCount), int64_t(s_.steps.size()), int64_t(p_.states.size()), p_.carryBytes()})
      quad(field);
    for (const char *list : {"values", "steps", "pages", "weights"})
      out_ << ".quad plx_embed_" << list << "\n";
    writeFunctions(names.prefix);
    return out_.str();
  }

private:
  void label(const std::string &name) { out_ << "plx_embed_" << name << ":\n"; }
  void quad(int64_t value) { out_ << ".quad " << value << "\n"; }
  template <typename List>
  void list(const std::string &name, const List &values) {
    label(name);
    for (auto value : values)
      quad(value);
  }

  void writeValues(const std::vector<int> &slots) {
    label("values");
    for (size_t i = 0; i < s_.values.size(); ++i) {
      const ValueType &type = s_.values[i];
      quad(type.rows == Rows::Tokens);
      quad(type.rowBytes());
      quad(slots[i]);
    }
  }

  void writeOperands(const Step &step, const std::string &n) {
    const Segment &segment = p_.segments[step.segment];
    list("in" + n, step.in);
    list("out" + n, step.out);
    std::vector<int64_t> weights, states;
    for (int weight : step.weights)
      weights.push_back(static_cast<int64_t>(p_.weights[weight].offset));
    for (int state : segment.states) {
      states.push_back(state);
      int64_t before = p_.states[state].kind == StateKind::Replace ? p_.carryOffset(state) : 0;
      states.push_back(before +
                       p_.states[state].ordinalOf(step.layer) * p_.states[state].layerBytes());
    }
    list("w" + n, weights);
    list("s" + n, states);
    label("f" + n);
    for (float scalar : step.scalars)
      out_ << ".long " << std::bit_cast<uint32_t>(scalar) << "\n";
    out_ << ".balign 8\n";
  }

  void writeSteps() {
    for (size_t i = 0; i < s_.steps.size(); ++i)
      writeOperands(s_.steps[i], std::to_string(i));
    label("steps");
    for (size_t i = 0; i < s_.steps.size(); ++i) {
      const Step &step = s_.steps[i];
      const Segment &segment = p_.segments[step.segment];
      out_ << ".quad " << segment.symbol << "\n.quad " << segment.scratch << "\n";
      for (size_t count :
           {step.in.size(), step.out.size(), step.weights.size(), segment.states.size()})
        quad(static_cast<int64_t>(count));
      for (const char *kind : {"in", "out", "w", "s", "f"})
        out_ << ".quad plx_embed_" << kind << i << "\n";
    }
  }

  void writeFunctions(const std::string &prefix) {
    out_ << ".text\n";
    for (const char *name : {"open", "close", "reset", "forward"})
      out_ << ".globl " << prefix << "_" << name << "\n.type " << prefix << "_" << name
           << ",@function\n"
           << prefix << "_" << name << ":\n  jmp plx_embed_" << name << "\n";
    out_ << ".section .note.GNU-stack,\"\",@progbits\n";
  }

  const Program &p_;
  const Schedule &s_;
  std::ostringstream out_;
};

} // namespace

std::string embedTables(const Program &program, const Schedule &schedule, int output, int needs,
                        const EmbedNames &names) {
  return TableWriter(program, schedule).write(output, needs, names);
}

} // namespace plexus::compiler
