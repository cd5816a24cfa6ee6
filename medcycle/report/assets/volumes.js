"use strict";
// Volumes as the page holds them: gzipped NIfTI 1 files in Base64, little-endian, of uint8 or int16, with axes near RAS.

const volumes = (() => {
  const HEADER = { dims: 42, datatype: 70, bits: 72, offset: 108, slope: 112 };

  async function unpacked(id) {
    const holder = document.getElementById(id);
    if (!holder) return null;
    const binary = atob(holder.textContent);
    const bytes = Uint8Array.from(binary, (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return parsed(await new Response(stream).arrayBuffer());
  }

  function parsed(buffer) {
    const header = new DataView(buffer);
    const dims = [0, 1, 2].map((axis) => header.getInt16(HEADER.dims + 2 * axis, true));
    const offset = header.getFloat32(HEADER.offset, true);
    const kind = header.getInt16(HEADER.datatype, true) === 4 ? Int16Array : Uint8Array;
    const count = dims[0] * dims[1] * dims[2];
    return { buffer, dims, offset, slope: header.getFloat32(HEADER.slope, true) || 1, data: new kind(buffer, offset, count) };
  }

  function errorOf(synthetic, real, mask) {
    const buffer = new ArrayBuffer(real.offset + 2 * real.data.length);
    new Uint8Array(buffer).set(new Uint8Array(real.buffer, 0, real.offset));
    const header = new DataView(buffer);
    header.setInt16(HEADER.datatype, 4, true);
    header.setInt16(HEADER.bits, 16, true);
    const error = parsed(buffer);
    for (let n = 0; n < error.data.length; n++) {
      error.data[n] = mask && !mask.data[n] ? 0 : synthetic.data[n] - real.data[n];
    }
    return error;
  }

  function valueAt(image, fraction) {
    const [i, j, k] = image.dims.map((size, axis) => Math.min(size - 1, Math.max(0, Math.floor(fraction[axis] * size))));
    return image.data[i + image.dims[0] * (j + image.dims[1] * k)] * image.slope;
  }

  return { unpacked, errorOf, valueAt };
})();
