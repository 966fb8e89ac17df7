/**
 * RuntimeEncoders: which of a device's command encoders are onnxruntime's. Encoders of our own have labels, by which they are
 * told apart: merging may go on at the same time. What is done with them is the caller's.
 */

/** Calls back with every encoder that onnxruntime makes during `run`, before it is used. Calls must be made in turn. */
export async function followingEncoders<T>(
  device: GPUDevice,
  follow: (encoder: GPUCommandEncoder) => void,
  run: () => Promise<T>,
): Promise<T> {
  const create = device.createCommandEncoder.bind(device);
  device.createCommandEncoder = (descriptor) => {
    const encoder = create(descriptor);
    if (!descriptor?.label) follow(encoder);
    return encoder;
  };
  try {
    return await run();
  } finally {
    // What was there before is the prototype's.
    Reflect.deleteProperty(device, 'createCommandEncoder');
  }
}

/** Calls back with every compute pass of an encoder, before it is used. */
export function followPasses(encoder: GPUCommandEncoder, follow: (pass: GPUComputePassEncoder) => void): void {
  const begin = encoder.beginComputePass.bind(encoder);
  encoder.beginComputePass = (descriptor) => {
    const pass = begin(descriptor);
    follow(pass);
    return pass;
  };
}
