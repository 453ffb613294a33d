"""The results as text, JSON and a picture."""
import json
import os
import statistics

from .turns import now

UNITS = {"read": ("read", 1e9, "GB/s"), "f32": ("oneDNN f32", 1e9, "GOP/s"),
         "bf16": ("bf16", 1e9, "GOP/s"), "u8s8": ("u8s8", 1e9, "GOP/s")}


def rates(row, measure, tokens):
    """Tokens per second: median, least, most."""
    values = [tokens / s for s in row["seconds"][measure]]
    return statistics.median(values), min(values), max(values)


def best_ceiling(table, name):
    return max((c.get(name) or 0 for c in table["ceilings"]), default=0)


def summarize(table):
    """What the text and the picture show: {measure: {peer: numbers}}."""
    out = {}
    for measure, m in table["measures"].items():
        rows = {}
        for name, row in table["peers"].items():
            if not row["seconds"][measure]:
                continue
            median, least, most = rates(row, measure, m["tokens"])
            rows[name] = {"median": median, "min": least, "max": most}
            ceiling = best_ceiling(table, m["bound"])
            cost = (row["token_bytes"] / m["shared"] if m["bound"] == "read"
                    else 2 * row["token_products"])
            if ceiling and cost:
                rows[name]["share"] = median * cost / ceiling
        # Of Plexus's ways of computing, the fastest is the one to compare.
        ours = max((r for name, r in rows.items() if name.startswith("plexus")),
                   key=lambda r: r["median"], default=None)
        for numbers in rows.values():
            if ours:
                numbers["ratio"] = ours["median"] / numbers["median"]
        out[measure] = rows
    return out


def ceiling_text(table):
    parts = [f"{label} {best_ceiling(table, key) / scale:.1f} {unit}"
             for key, (label, scale, unit) in UNITS.items() if best_ceiling(table, key)]
    loads = [c["load"] for c in table["ceilings"]]
    return (f"{'; '.join(parts) or 'not measured'} (load average {min(loads):.1f} to "
            f"{max(loads):.1f})")


def table_text(table):
    lines = [f"{table['workload']}, weights {table['weights']}, {table['threads']} thread(s)",
             "  ceilings: " + ceiling_text(table)]
    for measure, rows in summarize(table).items():
        lines.append(f"  {measure:<18}{'tokens/s':>10}{'min':>9}{'max':>9}  plexus/peer  of ceiling")
        for name, r in sorted(rows.items(), key=lambda item: -item[1]["median"]):
            ratio = f"{r['ratio']:.2f}" if not name.startswith("plexus") and "ratio" in r else ""
            share = f"{100 * r['share']:.0f} %" if "share" in r else ""
            lines.append(f"    {name:<16}{r['median']:>10.1f}{r['min']:>9.1f}{r['max']:>9.1f}"
                         f"{ratio:>13}{share:>12}")
        lines += [f"    {name:<14}not measured: {row['missing'][measure]}"
                  for name, row in table["peers"].items() if measure in row["missing"]]
    lines.append("  files")
    for name, row in table["peers"].items():
        first = row["first_token"]
        first = f", first token {1e3 * statistics.median(first):.0f} ms" if first else ""
        lines.append(f"    {name:<14}{row['token_bytes'] / 1e6:>8.1f} MB a token, peak "
                     f"{row['memory'] / 1e6:.0f} MB{first}; {row['stored']}; {row['version']}")
    for name, reason in table["refused"].items():
        lines.append(f"    {name:<14}not measured: {reason}")
    return "\n".join(lines)


def text(tables):
    return "\n\n".join(map(table_text, tables))


def markdown(tables):
    """One row a workload, weight class, threads and measure: Plexus's best way and the best peer."""
    lines = ["| workload | weights | threads | | Plexus, tokens/s | of ceiling | best peer, tokens/s "
             "| ratio |", "| --- | --- | --- | --- | --- | --- | --- | --- |"]
    for table in tables:
        for measure, rows in summarize(table).items():
            split = {True: {}, False: {}}
            for name, r in rows.items():
                split[name.startswith("plexus")][name] = r
            if not all(split.values()):
                continue
            (us, ours), (them, theirs) = (max(split[mine].items(), key=lambda i: i[1]["median"])
                                          for mine in (True, False))
            way = us.removeprefix("plexus").strip()
            share = f"{100 * ours['share']:.0f} %" if "share" in ours else ""
            lines.append(f"| {table['workload']} | {table['weights']} | {table['threads']} "
                         f"| {measure} | {ours['median']:.0f}{f' ({way})' if way else ''} | {share} "
                         f"| {theirs['median']:.0f} {them} "
                         f"| {ours['median'] / theirs['median']:.2f} |")
    return "\n".join(lines)


def escape(s):
    return s.replace("&", "&amp;").replace("<", "&lt;")


def bar_lines(title, rows, top):
    """One group of bars with least and most as whiskers."""
    widest = max(r["max"] for r in rows.values())
    out = [f'<text x="10" y="{top}" font-weight="bold">{escape(title)}</text>']
    for i, (name, r) in enumerate(sorted(rows.items(), key=lambda item: -item[1]["median"])):
        y, scale = top + 8 + 20 * i, 420 / widest
        color = "#d2691e" if name.startswith("plexus") else "#8fa3b5"
        middle = y + 7
        out += [f'<text x="120" y="{y + 11}" text-anchor="end">{escape(name)}</text>',
                f'<rect x="130" y="{y}" width="{r["median"] * scale:.1f}" height="14" fill="{color}"/>',
                f'<path d="M{130 + r["min"] * scale:.1f} {middle}H{130 + r["max"] * scale:.1f}" '
                'stroke="#222"/>',
                f'<text x="{138 + r["max"] * scale:.1f}" y="{y + 11}">{r["median"]:.1f}</text>']
    return out, top + 8 + 20 * len(rows) + 22


def svg(tables):
    lines, top = [], 24
    for table in tables:
        for measure, rows in summarize(table).items():
            if rows:
                title = (f"{table['workload']}, {measure}, {table['weights']} weights, "
                         f"{table['threads']} thread(s): tokens per second")
                bars, top = bar_lines(title, rows, top)
                lines += bars
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" width="640" height="{top}" '
                      'font-family="sans-serif" font-size="12">',
                      '<rect width="100%" height="100%" fill="white"/>', *lines, "</svg>", ""])


def write(folder, tables):
    document = {"format": 1, "time": now(), "cpu": cpu(),
                "tables": [t | {"summary": summarize(t)} for t in tables]}
    for name, content in (("compare.json", json.dumps(document, indent=1) + "\n"),
                          ("compare.txt", text(tables) + "\n"),
                          ("compare.md", markdown(tables) + "\n"), ("compare.svg", svg(tables))):
        with open(os.path.join(folder, name), "w") as f:
            f.write(content)


def cpu():
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return ""
