import Usage
import Wire

/// A small machine for classic BPF programs, which proves what a filter does without a kernel.
struct FilterMachine {
    /// What the kernel knows of a packet beside its bytes.
    struct Ancillary {
        /// The Ethernet protocol: 0x0800 IPv4, 0x86DD IPv6.
        var networkProtocol: UInt32 = 0x0800
        /// 0 for this host, 1 broadcast, 2 multicast, 3 for another host, 4 outgoing.
        var packetType: UInt32 = 0
        /// 1 Ethernet, 772 loopback.
        var hardwareType: UInt32 = 1
    }

    /// The bytes that are kept, 0: dropped; nil: the kernel would refuse the program.
    static func run(_ program: [CaptureFilter.Instruction], on bytes: [UInt8], _ ancillary: Ancillary = Ancillary()) -> UInt32? {
        var a: UInt32 = 0, x: UInt32 = 0, memory = [UInt32](repeating: 0, count: 16), at = 0
        func load(_ offset: Int, _ width: Int) -> UInt32? {
            guard offset >= 0, offset + width <= bytes.count else { return nil }
            return bytes[offset..<(offset + width)].reduce(0) { $0 << 8 | UInt32($1) }
        }
        while at < program.count {
            let step = program[at], k = Int(step.k)
            at += 1
            switch step.code {
            case 0x20, 0x28, 0x30:
                switch step.k {
                case 0xFFFF_F000: a = ancillary.networkProtocol
                case 0xFFFF_F004: a = ancillary.packetType
                case 0xFFFF_F01C: a = ancillary.hardwareType
                default:
                    // Beyond the packet's end the program is over, and drops it.
                    guard let value = load(k, step.code == 0x20 ? 4 : step.code == 0x28 ? 2 : 1) else { return 0 }
                    a = value
                }
            case 0x48:
                guard let value = load(Int(x) + k, 2) else { return 0 }
                a = value
            case 0x60: a = memory[k]
            case 0x02: memory[k] = a
            case 0x01: x = step.k
            case 0xB1:
                guard let value = load(k, 1) else { return 0 }
                x = 4 * (value & 15)
            case 0x05: at += k
            case 0x15: at += Int(a == step.k ? step.jt : step.jf)
            case 0x25: at += Int(a > step.k ? step.jt : step.jf)
            case 0x35: at += Int(a >= step.k ? step.jt : step.jf)
            case 0x45: at += Int(a & step.k != 0 ? step.jt : step.jf)
            case 0x06: return step.k
            default: return nil
            }
        }
        return nil
    }
}
