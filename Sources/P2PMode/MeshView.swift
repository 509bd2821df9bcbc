package import Net
package import Platform
package import Store
package import Wire

/// Whom a registry tells what happens. Calls come on the loop and must not wait.
package protocol MeshView: AnyObject {
    func tell(_ news: MeshNews)
    /// A signal that is not the end of the program.
    func signalled(_ signal: Signal)
    /// No further connections can be accepted for now.
    func cannotAccept(_ error: SystemError)
    /// A time that the view asked for through the registry has come.
    func elapsed()
    /// Who can be written to has changed.
    func know(_ names: [SafeText])
    /// What is said is not kept any more, or is again (nil).
    func storageFailed(_ error: StoreError?)
    /// More waits to be read by the person than should: the registry takes nothing more from the network meanwhile.
    var isCongested: Bool { get }
    /// Nothing is left to do: the registry says goodbye.
    var isDone: Bool { get }
}
