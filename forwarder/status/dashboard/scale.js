// Where figures are on a chart. Pure.

// The least of 1, 2, 5, 10, 20, … times `unit` that is not below `highest`.
export function ceiling(highest, unit = 1) {
  let factor = unit;
  while (highest > factor * 1000) factor *= 10;
  for (;;) {
    for (const step of [1, 2, 5]) if (highest <= step * factor) return step * factor;
    factor *= 10;
  }
}

// The attribute `d` of a line through points [x, y]; where y is null, it is interrupted.
export function line(points) {
  let path = "";
  let isDown = false;
  points.forEach(([x, y], index) => {
    if (y === null) {
      isDown = false;
      return;
    }
    path += `${isDown ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    // A point between two unknown ones is drawn as a dot, by a line of no length.
    if (!isDown && (points[index + 1]?.[1] ?? null) === null) path += "h0";
    isDown = true;
  });
  return path;
}

// The area between such a line and `bottom`.
export function area(points, bottom) {
  let path = "";
  let run = [];
  for (const point of [...points, [0, null]]) {
    if (point[1] !== null) {
      run.push(point);
      continue;
    }
    if (run.length > 1) path += `M${run[0][0].toFixed(1)} ${bottom}L${line(run).slice(1)}L${run.at(-1)[0].toFixed(1)} ${bottom}Z`;
    run = [];
  }
  return path;
}

// The attribute `d` of a part of a ring, from one angle to another (0 is up, clockwise, in turns) and from one radius to another.
export function sector(from, to, inner, outer) {
  const at = (turn, radius) => {
    const angle = 2 * Math.PI * (turn - 0.25);
    return `${(radius * Math.cos(angle)).toFixed(2)} ${(radius * Math.sin(angle)).toFixed(2)}`;
  };
  const isLarge = to - from > 0.5 ? 1 : 0;
  return (
    `M${at(from, outer)}A${outer} ${outer} 0 ${isLarge} 1 ${at(to, outer)}` +
    `L${at(to, inner)}A${inner} ${inner} 0 ${isLarge} 0 ${at(from, inner)}Z`
  );
}
