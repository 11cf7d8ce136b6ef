internal import CMuJoCo
import Glibc

/// Where everything in a world is and how it moves. One thread has it at a time.
@safe final class SimState {
    let world: SimWorld
    let data: OpaquePointer

    init(_ world: SimWorld) throws(SimError) {
        guard let data = unsafe waldo_data_new(world.model) else {
            throw .world(.unfit(path: world.path, subject: "its size", expected: "one that fits into memory", got: "too large a world"))
        }
        self.world = world
        unsafe self.data = data
    }

    deinit { unsafe waldo_data_free(data) }

    /// Sets the rover down where it starts.
    func begin() {
        unsafe waldo_forward(world.model, data)
        guard let start = world.start else { return }
        let place = site(start)
        self.place(world.rover.free, x: place.x, y: place.y, z: place.z, yaw: yaw(ofSite: start))
        unsafe waldo_forward(world.model, data)
    }

    /// How often it became impossible, and the world's own beginning was taken instead.
    var resets: Int { Int(unsafe waldo_resets(data)) }

    var positions: UnsafeMutablePointer<Double> { unsafe waldo_qpos(data) }
    var velocities: UnsafeMutablePointer<Double> { unsafe waldo_qvel(data) }
    var controls: UnsafeMutablePointer<Double> { unsafe waldo_controls(data) }
    var sensors: UnsafePointer<Double> { unsafe waldo_sensors(data) }

    func sensor(_ address: Int) -> (x: Double, y: Double, z: Double) {
        unsafe (sensors[address], sensors[address + 1], sensors[address + 2])
    }

    func site(_ site: Int32) -> (x: Double, y: Double, z: Double) {
        let place = unsafe waldo_site_place(data, site)!
        return unsafe (place[0], place[1], place[2])
    }

    /// Where the site's x axis points, in the plane.
    func yaw(ofSite site: Int32) -> Double {
        let axes = unsafe waldo_site_axes(data, site)!
        return unsafe atan2(axes[3], axes[0])
    }

    /// Of a free body, in the plane.
    func pose(_ body: SimFreeBody) -> (x: Double, y: Double, yaw: Double) {
        let place = unsafe positions + body.position
        let (w, x, y, z) = unsafe (place[3], place[4], place[5], place[6])
        return unsafe (place[0], place[1], atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)))
    }

    /// Puts a free body somewhere, upright.
    func place(_ body: SimFreeBody, x: Double, y: Double, z: Double, yaw: Double = 0) {
        let place = unsafe positions + body.position
        let values = [x, y, z, cos(yaw / 2), 0, 0, sin(yaw / 2)]
        for index in 0..<7 { unsafe place[index] = values[index] }
    }

    /// m/s in the world's frame; it does not turn.
    func push(_ body: SimFreeBody, vx: Double, vy: Double, vz: Double = 0) {
        let velocity = unsafe velocities + body.velocity
        unsafe (velocity[0], velocity[1], velocity[2]) = (vx, vy, vz)
        for index in 3..<6 { unsafe velocity[index] = 0 }
    }

    /// m from a place to what is in the way, `limit` where nothing is; level rays.
    func distances(from origin: (x: Double, y: Double, z: Double), angles: [Double], limit: Double) -> [Double] {
        var from = [origin.x, origin.y, origin.z]
        var vectors: [Double] = []
        for angle in angles { vectors += [cos(angle), sin(angle), 0] }
        var found = [Double](repeating: limit, count: angles.count)
        let hidden = UInt32(1 << SimWorld.roverLook | 1 << SimWorld.roverTouch)
        unsafe waldo_rays(world.model, data, &from, &vectors, Int32(angles.count), limit, hidden, &found)
        return found
    }
}
