extension MetricsRegistry {
    /// Prometheus text exposition, format 0.0.4: `HELP` and `TYPE` of each metric and its members, one a line.
    public func text() -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(4096)
        forEach { entry in
            out.append(contentsOf: "# HELP \(entry.name) ".utf8)
            Self.escape(entry.help, quotes: false, to: &out)
            out.append(contentsOf: "\n# TYPE \(entry.name) \(entry.type.rawValue)\n".utf8)
            entry.read { values, figures in
                let labels = Self.labels(entry.labels, values)
                switch figures {
                case .number(let value): Self.line(entry.name, labels, nil, value, to: &out)
                case .histogram(let bounds, let cumulative, let sum):
                    for (index, count) in cumulative.enumerated() {
                        let bound = index < bounds.count ? Self.number(bounds[index]) : "+Inf"
                        Self.line(entry.name + "_bucket", labels, bound, Double(count), to: &out)
                    }
                    Self.line(entry.name + "_sum", labels, nil, sum, to: &out)
                    Self.line(entry.name + "_count", labels, nil, Double(cumulative.last ?? 0), to: &out)
                }
            }
        }
        return out
    }

    /// `name="value",…`
    private static func labels(_ names: [String], _ values: [String]) -> [UInt8] {
        var out: [UInt8] = []
        for (name, value) in zip(names, values) {
            if !out.isEmpty { out.append(UInt8(ascii: ",")) }
            out.append(contentsOf: "\(name)=\"".utf8)
            escape(value, quotes: true, to: &out)
            out.append(UInt8(ascii: "\""))
        }
        return out
    }

    private static func line(_ name: String, _ labels: [UInt8], _ bound: String?, _ value: Double, to out: inout [UInt8]) {
        out.append(contentsOf: name.utf8)
        if !labels.isEmpty || bound != nil {
            out.append(UInt8(ascii: "{"))
            out.append(contentsOf: labels)
            if let bound { out.append(contentsOf: "\(labels.isEmpty ? "" : ",")le=\"\(bound)\"".utf8) }
            out.append(UInt8(ascii: "}"))
        }
        out.append(UInt8(ascii: " "))
        out.append(contentsOf: number(value).utf8)
        out.append(0x0A)
    }

    /// As Go reads numbers.
    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        if value.magnitude < 0x1p53, value == value.rounded(.towardZero) { return String(Int64(value)) }
        return value.description
    }

    private static func escape(_ text: String, quotes: Bool, to out: inout [UInt8]) {
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\\"): out.append(contentsOf: "\\\\".utf8)
            case 0x0A: out.append(contentsOf: "\\n".utf8)
            case UInt8(ascii: "\"") where quotes: out.append(contentsOf: "\\\"".utf8)
            default: out.append(byte)
            }
        }
    }

    /// `{"NAME": {"type": …, "help": …, "values": [{"labels": {…}, "value": 3}]}}`; of a histogram `count`, `sum` and `buckets`
    /// `[{"le": 0.1, "count": 2}]`, which grow and leave out the last, as that is `count`.
    public func json() -> JSON {
        var all = JSONObject()
        forEach { entry in
            var values: [JSON] = []
            entry.read { labels, figures in
                var member = JSONObject()
                if !entry.labels.isEmpty { member["labels"] = .object(JSONObject(zip(entry.labels, labels).map { ($0, .string($1)) })) }
                switch figures {
                case .number(let value): member["value"] = .double(value)
                case .histogram(let bounds, let cumulative, let sum):
                    member["count"] = .integer(Int64(cumulative.last ?? 0))
                    member["sum"] = .double(sum)
                    member["buckets"] = .array(zip(bounds, cumulative).map { ["le": .double($0), "count": .integer(Int64($1))] })
                }
                values.append(.object(member))
            }
            all[entry.name] = ["type": .string(entry.type.rawValue), "help": .string(entry.help), "values": .array(values)]
        }
        return .object(all)
    }
}
